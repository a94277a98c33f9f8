// Solves each assignment instance of a file with one of LEMON's solvers and prints "cost ms": the CPU time from the
// edges in memory to the cost. Usage: lemon FILE MWM|CostScaling|NetworkSimplex
#include <lemon/cost_scaling.h>
#include <lemon/matching.h>
#include <lemon/network_simplex.h>
#include <lemon/smart_graph.h>

#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

using namespace lemon;
typedef long long Int;

struct Edge {
  int order, driver;
  Int cost;
};

struct Instance {
  int orders, drivers;
  Int penalty;
  std::vector<Edge> edges;
};

static double cpu() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static bool read(FILE *f, Instance &x) {
  int k, seed;
  if (fscanf(f, "# orders=%d drivers=%d penalty=%lld k=%d seed=%d order,driver,cost ", &x.orders, &x.drivers, &x.penalty, &k, &seed) != 5) return false;
  x.edges.clear();
  for (Edge e; fscanf(f, "%d,%d,%lld ", &e.order, &e.driver, &e.cost) == 3;) x.edges.push_back(e);
  return true;
}

// The heaviest matching, where a pair weighs what it spares.
static Int matching(const Instance &x) {
  SmartGraph g;
  g.reserveNode(x.orders + x.drivers);
  g.reserveEdge(x.edges.size());
  std::vector<SmartGraph::Node> nodes(x.orders + x.drivers);
  for (auto &v : nodes) v = g.addNode();
  SmartGraph::EdgeMap<Int> weight(g);
  for (auto &e : x.edges)
    if (e.cost < x.penalty) weight[g.addEdge(nodes[e.order], nodes[x.orders + e.driver])] = x.penalty - e.cost;
  MaxWeightedMatching<SmartGraph, SmartGraph::EdgeMap<Int>> m(g, weight);
  m.run();
  return x.orders * x.penalty - m.matchingWeight();
}

// The cheapest flow of a unit from each order, through a driver or past all.
template <class Solver>
static Int flow(const Instance &x) {
  SmartDigraph g;
  g.reserveNode(x.orders + x.drivers + 2);
  g.reserveArc(x.edges.size() + 2 * x.orders + x.drivers);
  std::vector<SmartDigraph::Node> nodes(x.orders + x.drivers);
  for (auto &v : nodes) v = g.addNode();
  SmartDigraph::Node from = g.addNode(), to = g.addNode();
  SmartDigraph::ArcMap<Int> cost(g), room(g);
  auto arc = [&](SmartDigraph::Node a, SmartDigraph::Node b, Int c) {
    auto e = g.addArc(a, b);
    cost[e] = c;
    room[e] = 1;
  };
  for (int i = 0; i < x.orders; i++) {
    arc(from, nodes[i], 0);
    arc(nodes[i], to, x.penalty);
  }
  for (int j = 0; j < x.drivers; j++) arc(nodes[x.orders + j], to, 0);
  for (auto &e : x.edges) arc(nodes[e.order], nodes[x.orders + e.driver], e.cost);
  Solver s(g);
  s.upperMap(room).costMap(cost).stSupply(from, to, x.orders).run();
  return s.totalCost();
}

int main(int argc, char **argv) {
  FILE *f = argc == 3 ? fopen(argv[1], "r") : NULL;
  if (!f) return 2;
  std::string which = argv[2];
  for (Instance x; read(f, x);) {
    double began = cpu();
    Int cost = which == "MWM"           ? matching(x)
               : which == "CostScaling" ? flow<CostScaling<SmartDigraph, Int, Int>>(x)
                                        : flow<NetworkSimplex<SmartDigraph, Int, Int>>(x);
    printf("%lld %.3f\n", cost, cpu() - began);
  }
  return 0;
}
