# Python 3.8 removed `platform.linux_distribution` and `platform.dist`.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "platform-dist"


def install():
    hooks.after("platform", NAME, mend)


def _release():
    values = {}
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path) as file:
                for line in file:
                    name, found, value = line.strip().partition("=")
                    if found:
                        values[name] = value.strip("\"'")
            break
        except (IOError, OSError):
            continue
    return values


def mend(module):
    def linux_distribution(*args, **options):
        values = _release()
        name = values.get("NAME" if options.get("full_distribution_name", 1) else "ID", "")
        return name, values.get("VERSION_ID", ""), values.get("VERSION_CODENAME", "")

    def dist(*args, **options):
        values = _release()
        return (
            values.get("ID", ""),
            values.get("VERSION_ID", ""),
            values.get("VERSION_CODENAME", ""),
        )

    if not hasattr(module, "linux_distribution"):
        module.linux_distribution = linux_distribution
    if not hasattr(module, "dist"):
        module.dist = dist
