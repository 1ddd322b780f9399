"""The journeys of tests/functional, unchanged, on a cluster."""

import pytest

from tests.functional.test_authority import TestAuthority
from tests.functional.test_journey import TestJourney
from tests.functional.test_recovery import TestRecovery
from tests.functional.test_submitting import TestSubmitting

__all__ = ["TestAuthority", "TestJourney", "TestRecovery", "TestSubmitting"]

pytestmark = pytest.mark.timeout(1200)
