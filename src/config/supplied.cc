#include "config/supplied.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/check.h"
#include "config/broker_config.h"

namespace millrace::config {

Value supplied_value(const Definition& definition, const BrokerConfig& broker) {
    for (const Supplier& supplier : definition.suppliers) {
        const Value* value = broker.find(supplier.broker_key);
        CHECK(value != nullptr);
        if (std::holds_alternative<std::monostate>(*value)) continue;
        const auto* number = std::get_if<std::int64_t>(value);
        if (number == nullptr) return *value;
        // A broker's retention below zero is no limit, in whatever unit.
        bool is_retention = definition.name == "retention.ms";
        return is_retention && *number < 0 ? std::int64_t{-1} : *number * supplier.factor;
    }
    return default_value(definition);
}

std::vector<Value> supplied_values(const Catalogue& catalogue, const BrokerConfig& broker,
                                   const ConfigMap& own) {
    std::vector<Value> values;
    values.reserve(catalogue.all().size());
    for (const Definition& definition : catalogue.all()) {
        auto at = own.find(definition.name);
        if (at != own.end()) {
            if (auto value = parse_value(definition, at->second)) {
                values.push_back(*std::move(value));
                continue;
            }
        }
        values.push_back(supplied_value(definition, broker));
    }
    return values;
}

Result<> check_names_and_values(const Catalogue& catalogue, std::string_view kind,
                                const ConfigMap& own) {
    for (const auto& [name, text] : own) {
        const Definition* definition = catalogue.find(name);
        if (definition == nullptr) {
            return fail(ErrorCode::invalid_config, fmt::format("Unknown {} config name: {}{}", kind,
                                                               name, suggestion(catalogue, name)));
        }
        if (auto value = parse_value(*definition, text); !value) return fail(value.error());
    }
    return {};
}

}  // namespace millrace::config
