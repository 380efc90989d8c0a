"""A design and a real kernel, call by call: do they answer alike?"""
