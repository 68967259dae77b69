// All that is said in a session, in both directions.
#pragma once

#include "proto/client_message.hpp"
#include "proto/server_message.hpp"
#include "proto/session_words.hpp"
#include "proto/start_words.hpp"
