# networkx 2.4 removed `Graph.node`, networkx 3 the functions for matrices and pickles.

from __future__ import absolute_import

from sizar_shims import hooks

NAME = "networkx-node"


def install():
    hooks.after("networkx", NAME, mend)


def mend(module):
    graph = module.Graph
    if not hasattr(graph, "node"):
        graph.node = property(lambda self: self.nodes)
    for name, function in (
        ("nodes_iter", lambda self, data=False: iter(self.nodes(data=data))),
        ("edges_iter", lambda self, *args, **options: iter(self.edges(*args, **options))),
        ("selfloop_edges", lambda self, *args, **options: module.selfloop_edges(self, *args, **options)),
    ):
        if not hasattr(graph, name):
            setattr(graph, name, function)
    for old, function in (
        ("connected_component_subgraphs", _components(module)),
        ("from_numpy_matrix", _renamed(module, "from_numpy_array")),
        ("to_scipy_sparse_matrix", _renamed(module, "to_scipy_sparse_array")),
        ("from_scipy_sparse_matrix", _renamed(module, "from_scipy_sparse_array")),
        ("to_numpy_matrix", _matrix(module)),
        ("read_gpickle", _read),
        ("write_gpickle", _write),
        ("info", lambda G, n=None: str(G)),
    ):
        if not hasattr(module, old):
            setattr(module, old, function)


def _renamed(module, name):
    def function(*args, **options):
        return getattr(module, name)(*args, **options)

    return function


def _matrix(module):
    def to_numpy_matrix(*args, **options):
        import numpy

        return numpy.asmatrix(module.to_numpy_array(*args, **options))

    return to_numpy_matrix


def _components(module):
    def connected_component_subgraphs(G, copy=True):
        for nodes in module.connected_components(G):
            yield G.subgraph(nodes).copy() if copy else G.subgraph(nodes)

    return connected_component_subgraphs


def _read(path):
    import pickle

    if hasattr(path, "read"):
        return pickle.load(path)
    with open(path, "rb") as file:
        return pickle.load(file)


def _write(G, path, protocol=-1):
    import pickle

    if hasattr(path, "write"):
        return pickle.dump(G, path, protocol)
    with open(path, "wb") as file:
        pickle.dump(G, file, protocol)
