# pandas 1 and 2 removed methods of data frames: append, ix, iteritems, as_matrix, get_value.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "pandas-append"


def install():
    hooks.after("pandas", NAME, mend)


def mend(module):
    frame, series = module.DataFrame, module.Series
    _add(frame, "append", _append_rows)
    _add(series, "append", _append_values)
    _add(frame, "iteritems", lambda self: self.items())
    _add(series, "iteritems", lambda self: self.items())
    _add(frame, "as_matrix", _as_matrix)
    _add(series, "as_matrix", _as_matrix)
    _add(frame, "applymap", lambda self, func, *args, **options: self.map(func, *args, **options))
    _add(frame, "mad", lambda self, axis=0: (self - self.mean(axis=axis)).abs().mean(axis=axis))
    _add(series, "mad", lambda self: (self - self.mean()).abs().mean())
    _add(frame, "get_value", lambda self, index, col, takeable=False: self.at[index, col])
    _add(frame, "set_value", _set_value)
    _add(frame, "ix", property(_Ix))
    _add(series, "ix", property(_Ix))


def _add(kind, name, method):
    if not hasattr(kind, name):
        setattr(kind, name, method)


def _append_rows(self, other, ignore_index=False, verify_integrity=False, sort=False):
    import pandas

    if isinstance(other, dict):
        if not ignore_index:
            raise TypeError("Can only append a dict if ignore_index=True")
        other = pandas.Series(other)
    if isinstance(other, pandas.Series):
        if other.name is None and not ignore_index:
            raise TypeError(
                "Can only append a Series if ignore_index=True or if the Series has a name"
            )
        row = other.reindex(self.columns.union(other.index, sort=False))
        other = row.to_frame().T.infer_objects().rename_axis(self.index.names)
    parts = [self] + list(other) if isinstance(other, (list, tuple)) else [self, other]
    parts = [part if hasattr(part, "columns") else pandas.DataFrame(part) for part in parts]
    return pandas.concat(
        parts, ignore_index=ignore_index, verify_integrity=verify_integrity, sort=sort
    )


def _append_values(self, to_append, ignore_index=False, verify_integrity=False):
    import pandas

    more = list(to_append) if isinstance(to_append, (list, tuple)) else [to_append]
    return pandas.concat(
        [self] + more, ignore_index=ignore_index, verify_integrity=verify_integrity
    )


def _as_matrix(self, columns=None):
    return (self if columns is None else self[columns]).values


def _set_value(self, index, col, value, takeable=False):
    self.at[index, col] = value
    return self


class _Ix(object):
    """Labels first; numbers are positions where the labels are no numbers."""

    def __init__(self, data):
        self._data = data

    def _indexer(self, key):
        first = key[0] if isinstance(key, tuple) else key
        if isinstance(first, slice):
            first = first.start if first.start is not None else first.stop
        by_number = isinstance(first, int) and not isinstance(first, bool)
        if by_number and self._data.index.inferred_type != "integer":
            if isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], str):
                return self._data.loc, (self._data.index[key[0]], key[1])
            return self._data.iloc, key
        return self._data.loc, key

    def __getitem__(self, key):
        indexer, key = self._indexer(key)
        return indexer[key]

    def __setitem__(self, key, value):
        indexer, key = self._indexer(key)
        indexer[key] = value
