#include "core/controller/alter_client_quotas.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/ip_address.h"
#include "core/controller/state.h"
#include "core/controller/too_large.h"

namespace millrace::controller {
namespace {

using Entry = AlterClientQuotasRequest::EntryData;
using EntityParts = std::vector<AlterClientQuotasRequest::EntityData>;

constexpr std::string_view user_type = "user";
constexpr std::string_view client_type = "client-id";
constexpr std::string_view ip_type = "ip";

// A key that clients' or addresses' quotas have, and the type of its values.
struct QuotaKey {
    std::string_view name;
    bool of_ip = false;
    std::string_view whole;  // the Java type of whole numbers; "" for fractions
    double most = std::numeric_limits<double>::infinity();
};
constexpr std::array quota_keys{
    QuotaKey{"producer_byte_rate", false, "a LONG", 9223372036854775807.0},
    QuotaKey{"consumer_byte_rate", false, "a LONG", 9223372036854775807.0},
    QuotaKey{"request_percentage"},
    QuotaKey{"controller_mutation_rate"},
    QuotaKey{"connection_creation_rate", true, "an INT", 2147483647.0},
};
// A fraction below this is the error of a computation.
constexpr double whole_tolerance = 1e-6;

auto refuse(std::string message) { return fail(ErrorCode::invalid_request, std::move(message)); }

// The last of equal types counts, as in the map that Apache makes of them.
metadata::QuotaEntity entity_of(const EntityParts& parts) {
    std::map<std::string, std::optional<std::string>> by_type;
    for (const auto& part : parts) by_type.insert_or_assign(part.entity_type, part.entity_name);
    metadata::QuotaEntity entity;
    for (const auto& [type, name] : by_type) entity.push_back({type, name});
    return entity;
}

bool has(const metadata::QuotaEntity& entity, std::string_view type) {
    return std::ranges::find(entity, type, &metadata::QuotaEntityPart::type) != entity.end();
}

Result<> check_entity(const metadata::QuotaEntity& entity) {
    if (entity.empty()) return refuse("Invalid empty client quota entity");
    for (const metadata::QuotaEntityPart& part : entity) {
        if (part.type != user_type && part.type != client_type && part.type != ip_type)
            return refuse("Unhandled client quota entity type: " + part.type);
        if (part.name && part.name->empty())
            return refuse(fmt::format("Empty {} not supported", part.type));
    }
    if (!has(entity, ip_type)) return {};
    if (entity.size() > 1) {
        return refuse(
            "Invalid quota entity combination, IP entity should"
            "not be combined with User or ClientId");
    }
    const std::optional<std::string>& address = entity[0].name;
    if (address && !config::IpAddress::parse(*address))
        return refuse(*address + " is not a valid IP or resolvable host.");
    return {};
}

Result<> check_value(bool of_ip, const std::string& name, double value) {
    const auto* key = std::ranges::find_if(
        quota_keys, [&](const QuotaKey& each) { return each.of_ip == of_ip && each.name == name; });
    if (key == quota_keys.end()) return refuse("Invalid configuration key " + name);
    if (value <= 0) return refuse(fmt::format("Quota {} must be greater than 0", name));
    if (key->whole.empty()) return {};
    if (value > key->most)
        return refuse(fmt::format("Proposed value for {} is too large for {}.", name, key->whole));
    if (std::abs(std::fmod(value, 1.0)) > whole_tolerance)
        return refuse(name + " cannot be a fractional value.");
    return {};
}

ClientQuotaRecord record_of(const metadata::QuotaEntity& entity, const std::string& key) {
    ClientQuotaRecord record;
    for (const metadata::QuotaEntityPart& part : entity) {
        auto& data = record.entity.emplace_back();
        data.entity_type = part.type;
        data.entity_name = part.name;
    }
    record.key = key;
    return record;
}

Result<metadata::Records> change(const metadata::QuotaEntity& entity, const Entry& entry,
                                 const State& state) {
    RETURN_IF_ERROR(check_entity(entity));
    static const metadata::Quotas none;
    const metadata::Quotas* found = state.image().quotas.find(entity);
    const metadata::Quotas& current = found == nullptr ? none : *found;
    bool of_ip = has(entity, ip_type);
    metadata::Records records;
    for (const auto& op : entry.ops) {
        auto now = current.find(op.key);
        if (op.remove) {
            if (now == current.end()) continue;
            ClientQuotaRecord record = record_of(entity, op.key);
            record.remove = true;
            records.push_back({std::move(record), 0});
            continue;
        }
        RETURN_IF_ERROR(check_value(of_ip, op.key, op.value));
        if (now != current.end() && now->second == op.value) continue;
        ClientQuotaRecord record = record_of(entity, op.key);
        record.value = op.value;
        records.push_back({std::move(record), 0});
    }
    return records;
}

bool has_a_key_twice(const Entry& entry) {
    std::vector<std::string_view> keys;
    for (const auto& op : entry.ops) keys.emplace_back(op.key);
    std::ranges::sort(keys);
    return std::ranges::adjacent_find(keys) != keys.end();
}

// ClientQuotaEntity(entries={user=u}), as Apache's sentence has it.
std::string java_text(const metadata::QuotaEntity& entity) {
    std::string text;
    for (const metadata::QuotaEntityPart& part : entity) {
        text +=
            fmt::format("{}{}={}", text.empty() ? "" : ", ", part.type, part.name.value_or("null"));
    }
    return fmt::format("ClientQuotaEntity(entries={{{}}})", text);
}

void tell(const metadata::QuotaEntity& entity, const Result<>& outcome,
          AlterClientQuotasResponse::EntryData& entry) {
    entry.entity.clear();
    for (const metadata::QuotaEntityPart& part : entity) {
        auto& data = entry.entity.emplace_back();
        data.entity_type = part.type;
        data.entity_name = part.name;
    }
    entry.error_code = outcome ? ErrorCode::none : outcome.error().code;
    entry.error_message.reset();
    if (!outcome) entry.error_message = outcome.error().message;
}

}  // namespace

Decision<AlterClientQuotasResponse> decide(const AlterClientQuotas& command, const State& state,
                                           Inputs) {
    Decision<AlterClientQuotasResponse> decision;
    std::map<metadata::QuotaEntity, std::size_t> places;  // in the response
    for (const Entry& entry : command.request.entries) {
        metadata::QuotaEntity entity = entity_of(entry.entity);
        auto [place, is_first] = places.try_emplace(entity, decision.response.entries.size());
        if (is_first) decision.response.entries.emplace_back();
        // What an earlier entry of the entity decided stays.
        Result<metadata::Records> records =
            !is_first || has_a_key_twice(entry)
                ? refuse("Ignoring duplicate entity " + java_text(entity))
                : change(entity, entry, state);
        Result<> outcome;
        if (!records) outcome = fail(records.error());
        tell(entity, outcome, decision.response.entries[place->second]);
        if (records) std::ranges::move(*records, std::back_inserter(decision.records));
    }
    refuse_if_too_large(decision, decision.response.entries);
    if (command.request.validate_only) decision.records.clear();
    return decision;
}

}  // namespace millrace::controller
