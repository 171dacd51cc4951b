from bioresearcher.doors.api import BioresearcherError as BioresearcherError
from bioresearcher.doors.api import Run as Run
from bioresearcher.doors.api import ask_library as ask_library
from bioresearcher.doors.api import describe_data as describe_data
from bioresearcher.doors.api import list_runs as list_runs
from bioresearcher.doors.api import open_run as open_run
from bioresearcher.doors.api import reproduce_run as reproduce_run
from bioresearcher.doors.api import review_protocol as review_protocol
from bioresearcher.doors.api import search_literature as search_literature
from bioresearcher.doors.api import start_run as start_run
from bioresearcher.doors.notebook import load_ipython_extension as load_ipython_extension

__version__: str
__all__: list[str]
