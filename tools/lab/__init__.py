# SPDX-License-Identifier: BSD-2-Clause
"""The lab: a small network on one machine, made of network namespaces.  Needs root, iproute2 and Python's own library.

    namespaces.py   hosts, a switch, wires between them, programs in them; everything is gone afterwards
    topology.py     the network that the demo and the lab tests use: clients, a director, real servers
    director.py     rawvsd in its namespace: started, asked, stopped
    frames.py       frames seen on an interface, as facts
"""
