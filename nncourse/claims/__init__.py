"""The verdict on each claim of the article, computed from recorded tables by rules written beforehand."""

from nncourse.claims.register import CLAIMS, claims, judge, verdict
from nncourse.claims.verdict import Verdict

__all__ = ["CLAIMS", "Verdict", "claims", "judge", "verdict"]
