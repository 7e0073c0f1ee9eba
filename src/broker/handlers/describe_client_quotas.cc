// DescribeClientQuotas (key 48): the quotas of entities that a filter lets through (KIP-546). Each
// component of the filter asks for a type: for one name, for its default, or for any of both;
// `strict`: for entities of no other types.

#include "protocol/describe_client_quotas.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"

namespace millrace::broker {
namespace {

using Component = DescribeClientQuotasRequest::ComponentData;

enum class MatchType : std::int8_t { exact = 0, of_default = 1, any = 2 };

// By type: which name is wanted (none: the default's), or any.
struct Wanted {
    bool any = false;
    std::optional<std::string> name;
};
using Filter = std::map<std::string, Wanted, std::less<>>;

auto refuse(std::string message) { return fail(ErrorCode::invalid_request, std::move(message)); }

Result<Wanted> wanted_by(const Component& component) {
    switch (static_cast<MatchType>(component.match_type)) {
        case MatchType::exact:
            if (!component.match)
                return refuse("Request specified MATCH_TYPE_EXACT, but set match string to null.");
            return Wanted{.name = component.match};
        case MatchType::of_default:
            if (component.match) {
                return refuse(
                    "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
            }
            return Wanted{};
        case MatchType::any:
            if (component.match) {
                return refuse(
                    "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
            }
            return Wanted{.any = true};
    }
    return refuse(fmt::format("Unknown match type {}", component.match_type));
}

Result<Filter> filter_of(const DescribeClientQuotasRequest& request) {
    Filter filter;
    for (const Component& component : request.components) {
        const std::string& type = component.entity_type;
        if (type.empty()) return refuse("Invalid empty entity type.");
        if (filter.contains(type)) {
            return refuse(
                fmt::format("Entity type {} cannot appear more than once in the filter.", type));
        }
        if (type != "ip" && type != "user" && type != "client-id")
            return fail(ErrorCode::unsupported_version, "Unsupported entity type " + type);
        ASSIGN_OR_RETURN(filter[type], wanted_by(component));
    }
    if (filter.contains("ip") && filter.size() > 1) {
        return refuse(
            "Invalid entity filter component combination. IP filter component should not be used "
            "with user or clientId filter component.");
    }
    return filter;
}

bool matches(const metadata::QuotaEntity& entity, const Filter& filter, bool strict) {
    if (strict && entity.size() != filter.size()) return false;
    return std::ranges::all_of(filter, [&](const auto& each) {
        auto part = std::ranges::find(entity, each.first, &metadata::QuotaEntityPart::type);
        return part != entity.end() && (each.second.any || part->name == each.second.name);
    });
}

Task<DescribeClientQuotasResponse> answer(const DescribeClientQuotasRequest& request, const Caller&,
                                          MetadataCache& cache) {
    DescribeClientQuotasResponse response;
    Result<Filter> filter = filter_of(request);
    if (!filter) {
        response.error_code = filter.error().code;
        response.error_message = filter.error().message;
        response.entries = std::nullopt;
        co_return response;
    }
    response.entries.emplace();
    metadata::ImagePtr image = cache.image();
    for (const auto& [entity, quotas] : image->quotas) {
        if (!matches(entity, *filter, request.strict)) continue;
        auto& entry = response.entries->emplace_back();
        for (const metadata::QuotaEntityPart& part : entity) {
            auto& data = entry.entity.emplace_back();
            data.entity_type = part.type;
            data.entity_name = part.name;
        }
        for (const auto& [key, value] : *quotas) {
            auto& told = entry.values.emplace_back();
            told.key = key;
            told.value = value;
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_client_quotas = serve<answer>;

}  // namespace millrace::broker
