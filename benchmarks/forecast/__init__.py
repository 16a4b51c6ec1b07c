"""Does a network train from its initialization? Small networks of many kinds, each trained to find out.

``grid`` says which networks, ``networks`` builds them, ``training`` trains and labels them.
"""
