"""Solves each assignment instance of a file with one of scipy's solvers and prints "cost ms": the CPU time from the
edges in memory to the cost. Usage: scipy_peers.py FILE sparse|dense"""

import sys
import time

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching


def instances(path):
    """Yields orders, drivers, penalty and the edges' three columns."""
    with open(path) as f:
        chunks = f.read().split("# ")[1:]
    for chunk in chunks:
        head, _, *rows = chunk.split("\n")
        h = dict(word.split("=") for word in head.split())
        edges = np.array(",".join(row for row in rows if row).split(",") if rows and rows[0] else [], dtype=np.int64).reshape(-1, 3)
        yield int(h["orders"]), int(h["drivers"]), int(h["penalty"]), edges


def sparse(n, m, penalty, edges):
    """Each order has a column of its own for being left out; 1 more for each, as a 0 would be no edge."""
    out = np.arange(n)
    row = np.concatenate([edges[:, 0], out])
    column = np.concatenate([edges[:, 1], m + out])
    weight = np.concatenate([edges[:, 2], np.full(n, penalty)]) + 1
    graph = csr_matrix((weight.astype(np.float64), (row, column)), shape=(n, m + n))
    i, j = min_weight_full_bipartite_matching(graph)
    return int(graph[i, j].sum()) - n


def dense(n, m, penalty, edges):
    """Taking a driver who is not in the row is being left out."""
    cost = np.full((n, m), float(penalty))
    cost[edges[:, 0], edges[:, 1]] = np.minimum(edges[:, 2], penalty)
    i, j = linear_sum_assignment(cost)
    return int(cost[i, j].sum()) + (n - len(i)) * penalty


solve = {"sparse": sparse, "dense": dense}[sys.argv[2]]
for instance in instances(sys.argv[1]):
    began = time.process_time()
    cost = solve(*instance)
    print(cost, f"{(time.process_time() - began) * 1e3:.3f}")
