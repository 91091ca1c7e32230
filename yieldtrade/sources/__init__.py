"""Files and web services turned into values: the only code that reads what lies outside the program."""
