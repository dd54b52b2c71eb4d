# OpenCV shows windows; without a display, or built without them, it stops.

from __future__ import absolute_import

from sizar_shims import hooks, ledger

NAME = "cv2-headless"

# what each returns: no key was pressed, a window is visible
ANSWERS = {
    "imshow": None,
    "namedWindow": None,
    "destroyWindow": None,
    "destroyAllWindows": None,
    "moveWindow": None,
    "resizeWindow": None,
    "setWindowTitle": None,
    "setWindowProperty": None,
    "setMouseCallback": None,
    "createTrackbar": None,
    "startWindowThread": 0,
    "setTrackbarPos": None,
    "getTrackbarPos": 0,
    "getWindowProperty": 1.0,
}


def install():
    hooks.after("cv2", NAME, mend)


def mend(module):
    for name, answer in ANSWERS.items():
        setattr(module, name, _unseen(name, answer))
    module.waitKey = _key("waitKey")
    module.waitKeyEx = _key("waitKeyEx")


def _unseen(name, answer):
    def function(*args, **options):
        ledger.record(NAME, "cv2." + name)
        return answer

    function.__name__ = name
    return function


# how often a wait that has no end of its own was left
_asked = {}


def _key(name):
    def function(delay=0):
        ledger.record(NAME, "cv2." + name)
        from sizar_shims.ledger import caller

        frame = caller()
        place = (frame.f_code, frame.f_lineno) if frame is not None else None
        if not delay or delay < 0:
            _asked[place] = _asked.get(place, 0) + 1
            # a loop that waits for "q" would never end: nobody is there, so it is Escape, then q
            if _asked[place] > 3:
                return 27 if _asked[place] % 2 else ord("q")
        return -1

    function.__name__ = name
    return function
