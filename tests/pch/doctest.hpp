// The same for the programs of unit tests.
#include <doctest/doctest.h>

#include "tests/pch/standard.hpp"
