"""A process of the benchmark: calls one function, and prints what it returns as JSON.

python -m benchmarks.child benchmarks.module:function '[arguments]'
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

import django


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    django.setup()
    found = getattr(import_module(module), name)(*json.loads(sys.argv[2]))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
