"""One thread for torch, in all tests of a run that has these."""

try:
    import torch
except ImportError:  # the tests that need it say so themselves
    pass
else:
    # On tensors as small as the tests' its threads wait for each other by spinning: beside other work on two cores
    # test_models_protocol.py took 42 s of CPU time with two threads, 8 s with one.
    torch.set_num_threads(1)
