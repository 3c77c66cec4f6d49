"""Areas of shapes."""

import math


class Circle:
    def __init__(self, r):
        self.r = r

    def area(self):
        return math.pi * self.r**2


def square(x):
    return x * x


def total(items):
    return sum(i.area() for i in items) + square(2)
