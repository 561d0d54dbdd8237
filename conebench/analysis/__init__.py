"""The cone, measured: pure functions of Gram matrices and accuracies; numpy only.

Every figure of SCIENCE sections 2-6 is computed here from what a record holds: G, the kernels'
norms and traces, and the arms' accuracies. Symbols are those of the documentation: G, S, T*, N,
alpha, R, Gamma, CES.
"""
