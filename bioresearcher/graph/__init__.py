"""The pipeline on LangGraph: state, nodes, routes, build, run.

Whatever the caller's environment says, nothing is sent to a tracing service: this is set before LangGraph is imported.
"""

import os

os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LANGCHAIN_TRACING_V2"] = "false"
