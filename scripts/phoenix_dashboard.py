"""Show fleet, tenants, versions and decisions in a browser: `streamlit run scripts/phoenix_dashboard.py`."""

import sys

from argotune.dashboard.frame import show_dashboard

show_dashboard(sys.argv[1:])
