#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "cli/output.h"
#include "env/shard.h"

namespace millrace::cli {

// What the verifiable tools print: an object a line, which says when and what before all else.
class VerifiableEvents {
  public:
    VerifiableEvents(env::Shard& shard, Output& output) : shard_(shard), output_(output) {}
    void tell(std::string_view name, const boost::json::object& members = {}) {
        boost::json::object event{{"timestamp", shard_.wall_ms()}, {"name", name}};
        for (const auto& member : members) event.insert(member);
        output_.json(event);
    }
    Task<bool> flush() { return output_.flush(shard_); }

  private:
    env::Shard& shard_;
    Output& output_;
};

}  // namespace millrace::cli
