"""The pipeline on LangGraph: state, nodes, routes, build, run.

Two switches are set before LangGraph is imported: checkpoints only rebuild the types of our own state, and
nothing is sent to a tracing service, whatever the caller's environment says.
"""

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LANGCHAIN_TRACING_V2"] = "false"
