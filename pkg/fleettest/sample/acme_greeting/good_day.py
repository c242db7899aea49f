def greet(who):
    return "Good day " + who
