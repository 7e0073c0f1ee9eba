#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/broker_settings.h"
#include "config/endpoints.h"
#include "config/properties.h"

namespace millrace::config {

// What a node runs with: every key's effective value through the generated accessors
// (config.log_segment_bytes()), the compound ones parsed, and the layers they came from. Immutable;
// a copy shares it.
class BrokerConfig : public BrokerSettings {
  public:
    // `overrides` win over the file. Error invalid_config names each wrong key on a line of its
    // own, with its value, what is allowed, and where it stands in the file.
    static Result<BrokerConfig> parse(const Properties& file,
                                      const std::vector<Property>& overrides = {});
    // The dynamic values of this node and of all nodes instead of those it has. What is invalid or
    // may not be dynamic is left out and told in `rejected`.
    BrokerConfig with_dynamic(const ConfigMap& all_nodes, const ConfigMap& this_node,
                              std::vector<std::string>& rejected) const;

    // Sentences for the log: unknown keys, values that are ignored.
    const std::vector<std::string>& warnings() const { return parts_->warnings; }

    bool is_broker() const { return parts_->is_broker; }
    bool is_controller() const { return parts_->is_controller; }
    // Where clients and brokers, and where controllers are heard.
    const std::vector<Endpoint>& broker_endpoints() const { return parts_->broker; }
    const std::vector<Endpoint>& controller_endpoints() const { return parts_->controller; }
    // What the registration says. The host of a controller's may be "": the machine's name.
    const std::vector<Endpoint>& advertised_broker_endpoints() const {
        return parts_->advertised_broker;
    }
    const std::vector<Endpoint>& advertised_controller_endpoints() const {
        return parts_->advertised_controller;
    }
    const std::string& inter_broker_listener() const { return parts_->inter_broker_listener; }
    SecurityProtocol inter_broker_protocol() const { return parts_->inter_broker_protocol; }
    // The first of controller.listener.names: how this node reaches the controllers.
    const std::string& controller_listener() const { return parts_->controller_listener; }
    SecurityProtocol controller_protocol() const { return parts_->controller_protocol; }
    const std::vector<Voter>& static_voters() const { return parts_->voters; }
    const std::vector<HostPort>& controller_bootstrap() const { return parts_->bootstrap; }
    const std::vector<HostPort>& metrics_addresses() const { return parts_->metrics; }

    // log.dirs, or log.dir; metadata.log.dir, or the first of them.
    const std::vector<std::string>& log_directories() const { return parts_->log_directories; }
    const std::string& metadata_directory() const { return parts_->metadata_directory; }

    // `listener.name.NAME.KEY`, or else KEY as it was set; none where neither was.
    std::optional<std::string_view> listener_text(std::string_view listener,
                                                  std::string_view key) const;

    // As given, by layer, prefixed and unknown keys included.
    const ConfigMap& file_values() const { return parts_->file; }
    const ConfigMap& all_nodes_values() const { return parts_->all_nodes; }
    const ConfigMap& this_node_values() const { return parts_->this_node; }

  private:
    friend class BrokerConfigParser;
    struct Parts {
        ConfigMap file, all_nodes, this_node;
        std::vector<std::string> warnings;
        bool is_broker = false, is_controller = false;
        std::vector<Endpoint> broker, controller, advertised_broker, advertised_controller;
        std::string inter_broker_listener, controller_listener;
        SecurityProtocol inter_broker_protocol = SecurityProtocol::plaintext;
        SecurityProtocol controller_protocol = SecurityProtocol::plaintext;
        std::vector<Voter> voters;
        std::vector<HostPort> bootstrap, metrics;
        std::vector<std::string> log_directories;
        std::string metadata_directory;
    };
    BrokerConfig(std::vector<Value> values, std::shared_ptr<const Parts> parts)
        : BrokerSettings(std::move(values)), parts_(std::move(parts)) {}

    std::shared_ptr<const Parts> parts_;
};

}  // namespace millrace::config
