"""Measure how a tree of Python code reads: sizes, docstrings, comments, modules per folder."""

import ast
import io
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
# Openings that describe a thing instead of saying what it does.
INDIRECT = {"What", "How", "Whether", "Where", "When", "Of", "Which", "Who", "Why"}


@dataclass(frozen=True)
class CodeFigures:
    """Figures of all modules below one folder; lengths are in lines, blank ones included."""

    modules: int
    lines: int
    module_lengths: list[int]
    function_lengths: list[int]
    first_sentences: list[str]
    comment_lines: int
    docstring_lines: int
    functions_with_docstring: int
    argument_sections: int
    modules_per_folder: Counter[str]

    @property
    def sentence_lengths(self) -> list[int]:
        """Count the words in the first sentence of each function's docstring."""
        return [len(sentence.split()) for sentence in self.first_sentences]

    @property
    def comment_share(self) -> float:
        """Return the share of lines that hold nothing but a comment."""
        return self.comment_lines / self.lines

    @property
    def indirect(self) -> list[str]:
        """Return the first sentences that open with a word such as "What" or "Whether"."""
        return [s for s in self.first_sentences if s.split()[0].strip(":,") in INDIRECT]

    def rows(self) -> list[tuple[str, str]]:
        """Return the figures as rows of a table: name, value."""
        functions, sentences = self.function_lengths, self.first_sentences
        return [
            ("modules, lines", f"{self.modules}, {self.lines:,}"),
            ("module lines, median / p90 / max", _spread(self.module_lengths)),
            ("functions", f"{len(functions):,}"),
            ("function lines, median / p90 / max", _spread(functions)),
            ("docstring share of lines", f"{self.docstring_lines / self.lines:.1%}"),
            ("comment lines", f"{self.comment_share:.1%}"),
            ("functions with a docstring", f"{self.functions_with_docstring / len(functions):.0%}"),
            ("first sentence, words, median / p90 / max", _spread(self.sentence_lengths)),
            (
                "docstrings that open with What, Whether, Of ...",
                f"{len(self.indirect) / len(sentences):.0%}",
            ),
            ('"Args:" sections', str(self.argument_sections)),
            ("modules per folder, most", _most(self.modules_per_folder)),
        ]


def measure(folder: Path) -> CodeFigures:
    """Measure every module below a folder; `__init__.py` does not count as one of its folder."""
    paths = sorted(folder.rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    trees = [ast.parse(text) for text in texts]
    functions = [function for tree in trees for function in _functions(tree)]
    documented = [text for f in functions if (text := ast.get_docstring(f))]
    return CodeFigures(
        modules=len(paths),
        lines=sum(len(text.splitlines()) for text in texts),
        module_lengths=[len(text.splitlines()) for text in texts],
        function_lengths=[_length(function) for function in functions],
        first_sentences=[first_sentence(text) for text in documented],
        comment_lines=sum(_comment_lines(text) for text in texts),
        docstring_lines=sum(_docstring_lines(tree) for tree in trees),
        functions_with_docstring=len(documented),
        argument_sections=sum("\nArgs:\n" in text for text in documented),
        modules_per_folder=Counter(
            path.parent.relative_to(folder.parent).as_posix()
            for path in paths
            if path.name != "__init__.py"
        ),
    )


def first_sentence(docstring: str) -> str:
    """Return a docstring up to its first full stop or blank line."""
    paragraph = " ".join(docstring.split("\n\n", maxsplit=1)[0].split())
    return paragraph.split(". ")[0]


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _comment_lines(text: str) -> int:
    lines = text.splitlines()
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(
        token.type == tokenize.COMMENT and lines[token.start[0] - 1].lstrip().startswith("#")
        for token in tokens
    )


def _docstring_lines(tree: ast.AST) -> int:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, owners) and node.body)
    return sum(
        (body[0].end_lineno or 0) - body[0].lineno + 1
        for body in bodies
        if isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    )


def _spread(values: Sequence[int]) -> str:
    ordered = sorted(values)
    return f"{statistics.median(ordered):g} / {ordered[len(ordered) * 9 // 10]} / {ordered[-1]}"


def _most(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(3))
