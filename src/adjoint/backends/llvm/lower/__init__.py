"""From a graph to the text of a module: one walk over the graph, which writes as it goes."""
