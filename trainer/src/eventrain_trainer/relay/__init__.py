"""MLflow's tracking server as a training program finds it: on loopback, answering at once.

Nothing here waits for the network. What a program tells becomes metrics of the job, events and
artifacts, which the session carries with the job's token; the program never sees that.
"""
