#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "config/alter.h"
#include "config/broker_config.h"
#include "config/group_config.h"
#include "config/topic_config.h"
#include "config/value.h"

namespace {

using namespace millrace;

const config::BrokerConfig& node() {
    static const config::BrokerConfig config = [] {
        config::Properties properties;
        properties.set("process.roles", "broker,controller");
        properties.set("node.id", "1");
        properties.set("controller.listener.names", "CONTROLLER");
        properties.set("controller.quorum.voters", "1@localhost:9093");
        properties.set("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093");
        auto parsed = config::BrokerConfig::parse(properties);
        CHECK(parsed.has_value());
        return *parsed;
    }();
    return config;
}

// A value that is taken is the same value when it is read from the text that describes it.
void check_round_trip(const config::Definition& definition, std::string_view text) {
    auto value = config::parse_value(definition, text);
    if (!value) return;
    auto written = config::to_text(*value);
    CHECK(written.has_value());
    auto again = config::parse_value(definition, *written);
    CHECK(again.has_value());
    CHECK(config::to_text(*again) == written);
}

}  // namespace

// The first byte chooses a kind of resource, the second a key of it, the rest is its value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const config::Catalogue* catalogues[] = {&config::topic_catalogue(), &config::group_catalogue(),
                                             &config::client_metrics_catalogue(),
                                             &config::broker_catalogue()};
    const config::Catalogue& catalogue = *catalogues[data[0] % 4];
    std::size_t index = (data[0] / 4 * 256U + data[1]) % catalogue.all().size();
    const config::Definition& definition = catalogue.all()[index];
    std::string_view text = as_string({data + 2, size - 2});

    check_round_trip(definition, text);
    config::ConfigMap one{{std::string(definition.name), std::string(text)}};
    if (&catalogue == catalogues[0]) (void)config::validate_topic_configs(node(), one);
    if (&catalogue == catalogues[1]) (void)config::validate_group_configs(node(), one);
    if (&catalogue == catalogues[2]) (void)config::validate_client_metrics_configs(one);
    if (&catalogue == catalogues[3]) {
        (void)config::validate_broker_configs(node(), one, data[1] % 2 == 0);
    }
    (void)catalogue.nearest(text);
    return 0;
}
