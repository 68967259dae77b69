// The same for the programs of unit tests.
#pragma once

#include <doctest/doctest.h>

#include "standard.hpp"
