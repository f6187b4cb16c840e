# SPDX-License-Identifier: BSD-2-Clause
"""The lab: a small network on one machine, made of network namespaces.  Needs root, iproute2 and Python's own library.

    namespaces.py   hosts, a switch, cables, programs in hosts; all of it is removed at the end
    topology.py     the network that the demo and the lab tests use: clients, a director, real servers
    director.py     rawvsd in its namespace
    frames.py       frames captured on an interface
"""
