# What type checkers and editors see of the names that __init__.py imports at their first use.
from conebench import frames as frames
from conebench.api import load_spec as load_spec
from conebench.api import read_record as read_record
from conebench.api import run as run

__version__: str
