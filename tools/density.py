"""How dense our lines are: syntax nodes a line over the bodies of functions, file by file.

    python tools/density.py [--most N] [--limit X] [PATH ..]

The script counts the nodes of the syntax tree of each function body and divides them by its lines of code. Left out
are docstrings, comments, blank lines, and the contexts of names (load, store). The table also counts assignments of
several values at once, swaps left out. With --limit the exit status is 1 where the whole is denser.
"""

import argparse
import ast
import sys
from pathlib import Path

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions_of(tree: ast.AST):
    """Yield the outermost functions and methods of a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _FUNCTIONS):
            yield node
        else:
            yield from functions_of(node)


def body_of(function) -> list[ast.stmt]:
    """Return the statements of a function without its docstring."""
    return function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body


def measure(path: Path) -> tuple[int, int, int, int]:
    """Return nodes, lines of code, blank lines and double assignments in the function bodies of a file."""
    text = path.read_text()
    lines = text.splitlines()
    nodes = code = blank = doubles = 0

    for function in functions_of(ast.parse(text)):
        body = body_of(function)
        if not body:
            continue

        for statement in body:
            for node in ast.walk(statement):
                nodes += not isinstance(node, ast.expr_context)
                doubles += _is_double(node)

        for line in lines[body[0].lineno - 1 : function.end_lineno]:
            stripped = line.strip()
            blank += not stripped
            code += bool(stripped) and not stripped.startswith("#")

    return nodes, code, blank, doubles


def _is_double(node: ast.AST) -> bool:
    """Whether a statement gives several values to several names at once, and is no swap."""
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)):
        return False
    targets = node.targets[0]
    if not isinstance(targets, ast.Tuple):
        return False
    left = sorted(map(ast.unparse, targets.elts))
    right = sorted(map(ast.unparse, node.value.elts))
    return left != right


def main() -> int:
    """Print the table, densest first, and the whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, default=[Path("synthgen")])
    parser.add_argument("--most", type=int, default=15, help="files to list")
    parser.add_argument("--limit", type=float, help="fail where the whole is denser")
    given = parser.parse_args()

    files = [file for path in given.paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    rows = [(file, *measure(file)) for file in files]
    rows.sort(key=lambda row: -row[1] / max(1, row[2]))

    print("nodes a line   lines   double   file")
    for file, nodes, code, _, doubles in rows[: given.most]:
        print(f"{nodes / max(1, code):12.1f} {code:7d} {doubles:8d}   {file}")

    nodes, code, blank, doubles = (sum(column) for column in list(zip(*rows, strict=True))[1:])
    share = nodes / max(1, code)
    print(f"{share:12.2f} {code:7d} {doubles:8d}   all {len(rows)} files; blank lines {blank / (code + blank):.1%}")
    return int(given.limit is not None and share > given.limit)


if __name__ == "__main__":
    sys.exit(main())
