"""Release, check and grade the labs: students' functions are black boxes, judged from outside."""
