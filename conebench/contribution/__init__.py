"""Review proposed specs and records as data, executing none of it. Imports no torch."""

from conebench.contribution.board import BoardChange, board_change
from conebench.contribution.git_trees import Change, GitTrees
from conebench.contribution.package_index import release_problem
from conebench.contribution.proposal import Proposal, file_proposal, read_proposal, unpacked
from conebench.contribution.pull_request import (
    PullRequest,
    open_pull_request,
    pull_request_text,
    why_not_gh,
)
from conebench.contribution.rules import canonical_path, problems_of, remarks_of

__all__ = [
    "BoardChange",
    "Change",
    "GitTrees",
    "Proposal",
    "PullRequest",
    "board_change",
    "canonical_path",
    "file_proposal",
    "open_pull_request",
    "problems_of",
    "pull_request_text",
    "read_proposal",
    "release_problem",
    "remarks_of",
    "unpacked",
    "why_not_gh",
]
