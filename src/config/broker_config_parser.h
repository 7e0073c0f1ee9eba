#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/broker_config.h"
#include "config/text.h"

namespace millrace::config {

// Makes a BrokerConfig out of texts, and collects all that is wrong with them on the way.
class BrokerConfigParser {
  public:
    // A file's and a command line's properties.
    void read(const Properties& file, const std::vector<Property>& overrides);
    // The layers of a config that is there already, with other dynamic values.
    void read(const BrokerConfig& base, const ConfigMap& all_nodes, const ConfigMap& this_node);

    Result<BrokerConfig> finish();

  private:
    void set_text(const Property& property, bool from_file);
    void warn_of_unknown_keys();
    void warn_of_ignored_keys();
    void parse_values();
    void derive_listeners();
    void derive_advertised(const ProtocolMap& protocols);
    void derive_inter_broker(const ProtocolMap& protocols);
    void derive_quorum();
    void derive_directories();
    ProtocolMap protocol_map();

    // broker_config_checks.cc: what has to hold between keys, as Kafka 4.3.1 checks it.
    void check_roles();
    void check_controller_role();
    void check_broker_role();
    void check_listeners();
    void check_limits();
    void check_groups();

    bool is_set(std::string_view key) const { return texts_.contains(key); }
    const Value& value(std::string_view key) const;
    std::int64_t whole(std::string_view key) const;
    const std::vector<std::string>& words(std::string_view key) const;
    std::string shown(std::string_view key) const;  // "key=value"

    // "line 12: ", where the key is in the file.
    std::string place(std::string_view key) const;
    void wrong(std::string_view key, std::string_view sentence);
    void require(bool holds, std::string_view key, std::string_view sentence) {
        if (!holds) wrong(key, sentence);
    }
    // What was parsed, or nothing and one more error.
    template <typename T>
    T take(std::string_view key, Result<T> result) {
        if (result) return *std::move(result);
        wrong(key, shown(key) + ": " + result.error().message);
        return {};
    }

    std::shared_ptr<BrokerConfig::Parts> parts_ = std::make_shared<BrokerConfig::Parts>();
    ConfigMap texts_;                                // of all layers, the winning one
    std::map<std::string, int, std::less<>> lines_;  // where a key stands in the file
    std::vector<Value> values_;
    std::vector<std::string> errors_;
};

}  // namespace millrace::config
