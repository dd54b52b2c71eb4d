# scikit-image 0.18 moved the comparisons of pictures from `skimage.measure` to `skimage.metrics`.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "skimage-metrics"
MOVED = {
    "compare_ssim": "structural_similarity",
    "compare_psnr": "peak_signal_noise_ratio",
    "compare_mse": "mean_squared_error",
    "compare_nrmse": "normalized_root_mse",
    "structural_similarity": "structural_similarity",
}


def install():
    hooks.after("skimage.measure", NAME, mend)


def mend(module):
    for old, new in MOVED.items():
        if not hasattr(module, old):
            setattr(module, old, _moved(new))


def _takes(function, name):
    import inspect

    return name in inspect.signature(function).parameters


def _moved(name):
    def function(*args, **options):
        import skimage.metrics

        moved = getattr(skimage.metrics, name)
        # 0.19 replaced the switch by the number of the axis
        if "multichannel" in options and _takes(moved, "channel_axis"):
            if options.pop("multichannel"):
                options["channel_axis"] = -1
        return moved(*args, **options)

    function.__name__ = name
    return function
