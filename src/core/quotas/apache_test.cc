// Apache's own quota managers as the oracle: recorded/throttles.tsv.

#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/metadata/sorted_map_editor.h"
#include "core/quotas/counters.h"
#include "core/quotas/mutation_quota.h"
#include "core/quotas/rate.h"

namespace millrace::quotas {
namespace {

std::vector<std::string> fields_of(const std::string& line) {
    std::vector<std::string> fields{""};
    for (char c : line) {
        if (c == '\t') {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    return fields;
}

class Walk {
  public:
    Walk(std::string kind, Window window)
        : kind_(std::move(kind)), window_(window), buckets_(window) {}

    void set(const std::string& user, const std::string& client, const std::string& bound) {
        metadata::QuotaEntity entity;
        auto add = [&](const char* type, const std::string& name) {
            if (name == "-") return;
            entity.push_back({type, name == "*" ? std::nullopt : std::optional(name)});
        };
        add("client-id", client);
        add("user", user);
        metadata::SortedMapEditor editor(table_);
        if (bound == "-") {
            editor.erase(entity);
        } else {
            const char* key =
                kind_ == "produce" ? "producer_byte_rate" : "controller_mutation_rate";
            editor.set(entity, std::make_shared<metadata::Quotas>(
                                   metadata::Quotas{{key, std::stod(bound)}}));
        }
        table_ = std::move(editor).finish();
    }

    std::int64_t charge(Time now, const std::string& user, const std::string& client,
                        std::int64_t amount) {
        Limits limits = limits_of(table_, user, client);
        if (kind_ != "produce") {
            auto& limit = limits[static_cast<std::size_t>(Kind::controller_mutation)];
            if (!limit) return 0;
            auto kind =
                kind_ == "strict" ? MutationQuota::Kind::strict : MutationQuota::Kind::permissive;
            MutationQuota quota(buckets_, *limit, kind);
            quota.take(static_cast<std::size_t>(amount), now);
            return quota.throttle().ms();
        }
        auto& limit = limits[static_cast<std::size_t>(Kind::produce)];
        if (!limit) return 0;
        Rate& rate = rates_.of(limit->counted, now, [&](const Counted&) { return Rate(window_); });
        rate.record(static_cast<double>(amount), now);
        return rate.throttle(limit->bound, now).ms();
    }

  private:
    std::string kind_;
    Window window_;
    Table table_;
    Counters<Rate> rates_;
    MutationBuckets buckets_;
};

TEST(Quotas, ThrottleAsApacheDoes) {
    std::ifstream table(MILLRACE_SOURCE_DIR "/src/core/quotas/recorded/throttles.tsv");
    std::unique_ptr<Walk> walk;
    int charges = 0;
    int line_number = 0;
    for (std::string line; std::getline(table, line);) {
        ++line_number;
        auto fields = fields_of(line);
        if (fields[0] == "walk") {
            Window window{std::stoi(fields[2]), Duration::seconds(std::stoi(fields[3]))};
            walk = std::make_unique<Walk>(fields[1], window);
        } else if (fields[0] == "quota") {
            walk->set(fields[1], fields[2], fields[3]);
        } else {
            Time now = Time() + Duration::milliseconds(std::stoll(fields[1]));
            std::int64_t waits = walk->charge(now, fields[2], fields[3], std::stoll(fields[4]));
            ASSERT_EQ(waits, std::stoll(fields[5])) << "line " << line_number << ": " << line;
            ++charges;
        }
    }
    EXPECT_EQ(charges, 36 * 120);
}

}  // namespace
}  // namespace millrace::quotas
