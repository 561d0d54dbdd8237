"""One property of tests/test_fuzz.py, driven by what the code under test does with each input.

`PYTHONPATH=.:tests:tests/helpers python tests/fuzz/guided.py PROPERTY [option of libFuzzer ...]`;
an input that breaks the property ends it with the failing example.
"""

import sys

import atheris

# Before any other import of the package: only what is imported in here reports its branches.
with atheris.instrument_imports(include=["conebench.spec", "conebench.record", "ruamel.yaml"]):
    import test_fuzz

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, getattr(test_fuzz, name).hypothesis.fuzz_one_input)
    atheris.Fuzz()
