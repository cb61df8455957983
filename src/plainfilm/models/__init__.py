"""Networks, and the classifiers made of them.

densenet     a DenseNet of modules alone
spec         what a network expects at its input
classifier   network, target names and input together; any network can be wrapped
store        classifiers to and from checkpoints
foreign      DenseNets that others trained
zoo          all of these by name or by file
"""
