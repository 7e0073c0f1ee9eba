#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string_view>

#include "cli/output.h"
#include "client/topic_partition.h"
#include "env/shard.h"
#include "records/record.h"

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
    void tell(const client::TopicPartition& partition, const Record& record) {
        auto text = [](const std::optional<Bytes>& bytes) {
            return bytes ? boost::json::value(as_string(*bytes)) : boost::json::value(nullptr);
        };
        tell("record_data", {{"key", text(record.key)},
                             {"value", text(record.value)},
                             {"topic", partition.topic},
                             {"partition", partition.partition},
                             {"offset", record.offset}});
    }
    Task<bool> flush() { return output_.flush(shard_); }

  private:
    env::Shard& shard_;
    Output& output_;
};

}  // namespace millrace::cli
