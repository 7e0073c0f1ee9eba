#include "core/controller/alter_client_quotas.h"

#include <gtest/gtest.h>

#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using Name = std::optional<std::string>;
using Entity = std::vector<std::pair<std::string, Name>>;
using Ops = std::vector<std::pair<std::string, std::optional<double>>>;  // no value: removed

AlterClientQuotasRequest::EntryData entry(const Entity& entity, const Ops& ops) {
    AlterClientQuotasRequest::EntryData entry;
    for (const auto& [type, name] : entity) {
        auto& part = entry.entity.emplace_back();
        part.entity_type = type;
        part.entity_name = name;
    }
    for (const auto& [key, value] : ops) {
        auto& op = entry.ops.emplace_back();
        op.key = key;
        op.value = value.value_or(0);
        op.remove = !value;
    }
    return entry;
}

class AlterClientQuotasTest : public testing::Test {
  protected:
    Error alter(const Entity& entity, const Ops& ops, bool validate_only = false) {
        AlterClientQuotas command;
        command.request.validate_only = validate_only;
        command.request.entries.push_back(entry(entity, ops));
        AlterClientQuotasResponse response = controller_.run(command);
        EXPECT_EQ(response.entries.size(), 1U);
        return {response.entries.at(0).error_code,
                response.entries.at(0).error_message.value_or("")};
    }
    metadata::Quotas quotas(const metadata::QuotaEntity& entity) {
        const metadata::Quotas* found = controller_.state.image().quotas.find(entity);
        return found == nullptr ? metadata::Quotas{} : *found;
    }

    ControllerForTests controller_;
};

TEST_F(AlterClientQuotasTest, SetsAndRemoves) {
    EXPECT_EQ(alter({{"user", "u"}, {"client-id", std::nullopt}},
                    {{"producer_byte_rate", 1000}, {"request_percentage", 12.5}})
                  .code,
              ErrorCode::none);
    metadata::QuotaEntity entity{{"client-id", std::nullopt}, {"user", "u"}};
    EXPECT_EQ(quotas(entity),
              (metadata::Quotas{{"producer_byte_rate", 1000}, {"request_percentage", 12.5}}));
    // What is set already, or not there to be removed, needs no record.
    alter({{"client-id", std::nullopt}, {"user", "u"}},
          {{"producer_byte_rate", 1000}, {"consumer_byte_rate", std::nullopt}});
    EXPECT_TRUE(controller_.last.empty());
    alter({{"client-id", std::nullopt}, {"user", "u"}},
          {{"producer_byte_rate", std::nullopt}, {"request_percentage", std::nullopt}});
    EXPECT_TRUE(controller_.state.image().quotas.empty());
}

TEST_F(AlterClientQuotasTest, OnlyValidates) {
    EXPECT_EQ(alter({{"user", "u"}}, {{"producer_byte_rate", 1}}, true).code, ErrorCode::none);
    EXPECT_EQ(alter({{"user", "u"}}, {{"producer_byte_rate", 0}}, true).code,
              ErrorCode::invalid_request);
    EXPECT_TRUE(controller_.state.image().quotas.empty());
}

TEST_F(AlterClientQuotasTest, RefusesWrongEntities) {
    auto message = [&](const Entity& entity) {
        Error error = alter(entity, {});
        EXPECT_EQ(error.code, ErrorCode::invalid_request);
        return error.message;
    };
    EXPECT_EQ(message({}), "Invalid empty client quota entity");
    EXPECT_EQ(message({{"group", "g"}}), "Unhandled client quota entity type: group");
    EXPECT_EQ(message({{"user", ""}}), "Empty user not supported");
    EXPECT_EQ(message({{"ip", "1.2.3.4"}, {"user", "u"}}),
              "Invalid quota entity combination, IP entity shouldnot be combined with User or "
              "ClientId");
    EXPECT_EQ(message({{"ip", "1.2.3.400"}}), "1.2.3.400 is not a valid IP or resolvable host.");
}

TEST_F(AlterClientQuotasTest, RefusesWrongValues) {
    auto message = [&](const std::string& key, double value,
                       const Entity& entity = {{"user", "u"}}) {
        Error error = alter(entity, {{key, value}});
        EXPECT_EQ(error.code, ErrorCode::invalid_request);
        return error.message;
    };
    EXPECT_EQ(message("producer_byte_rate", -1), "Quota producer_byte_rate must be greater than 0");
    EXPECT_EQ(message("producer_byte_rate", 1.5),
              "producer_byte_rate cannot be a fractional value.");
    EXPECT_EQ(message("consumer_byte_rate", 1e19),
              "Proposed value for consumer_byte_rate is too large for a LONG.");
    EXPECT_EQ(message("connection_creation_rate", 1),
              "Invalid configuration key connection_creation_rate");
    EXPECT_EQ(message("connection_creation_rate", 3e9, {{"ip", std::nullopt}}),
              "Proposed value for connection_creation_rate is too large for an INT.");
    EXPECT_EQ(message("producer_byte_rate", 1, {{"ip", "::1"}}),
              "Invalid configuration key producer_byte_rate");
    EXPECT_TRUE(controller_.state.image().quotas.empty());
}

TEST_F(AlterClientQuotasTest, AnEntityIsAlteredOnce) {
    AlterClientQuotas command;
    command.request.entries = {
        entry({{"user", "u"}}, {{"producer_byte_rate", 1}}),
        entry({{"user", "u"}}, {{"consumer_byte_rate", 2}}),
        entry({{"user", "w"}}, {{"producer_byte_rate", 3}, {"producer_byte_rate", 4}})};
    AlterClientQuotasResponse response = controller_.run(command);
    ASSERT_EQ(response.entries.size(), 2U);
    EXPECT_EQ(response.entries[0].error_message,
              "Ignoring duplicate entity ClientQuotaEntity(entries={user=u})");
    EXPECT_EQ(response.entries[1].error_code, ErrorCode::invalid_request);
    EXPECT_EQ(quotas({{"user", "u"}}), (metadata::Quotas{{"producer_byte_rate", 1}}));
    EXPECT_TRUE(quotas({{"user", "w"}}).empty());
}

TEST_F(AlterClientQuotasTest, ABatchHasItsLimit) {
    AlterClientQuotas command;
    for (std::size_t i = 0; i <= max_records_per_decision; ++i) {
        command.request.entries.push_back(
            entry({{"user", "u" + std::to_string(i)}}, {{"producer_byte_rate", 1}}));
    }
    AlterClientQuotasResponse response = controller_.run(command);
    EXPECT_EQ(response.entries.at(7).error_code, ErrorCode::policy_violation);
    EXPECT_TRUE(controller_.state.image().quotas.empty());
}

}  // namespace
}  // namespace millrace::controller
