// Why a daemon lets its clients go, and what it says to them.
#pragma once

#include "proto/outcome.hpp"

namespace runwire {

enum class WindUp {
  shutdown,  // it goes away
  upgrade,   // another program goes on in its place, at the same addresses
};

ErrorReply refusal_of(WindUp why);   // to start one more command
ErrorReply farewell_of(WindUp why);  // the last word in a session

}  // namespace runwire
