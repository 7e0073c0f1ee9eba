// Boost.JSON without its library: everything of it is compiled here, once.
#include <boost/json/src.hpp>
