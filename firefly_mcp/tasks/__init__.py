"""Tasks: a request, an answer, the plan that leads to it, the evidence that proves it, and the gates that admit it."""
