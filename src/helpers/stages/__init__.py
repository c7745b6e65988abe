"""What the job of each notebook computes: one module a stage, with one function that a notebook calls.

Each function reads what earlier stages wrote, computes its numbers and writes them into the run's folder.
Where these numbers are finished already, made by the same parameters, code and data, it reads them instead.
So a notebook is executed again in seconds, by the engine or in JupyterLab. A change of code here, or in what
is imported here, makes the stage's numbers stale; what a notebook shows of them is drawn elsewhere
(``helpers.report``).
"""
