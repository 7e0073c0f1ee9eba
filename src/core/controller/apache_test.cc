// What Apache Kafka 4.3.1's controller decided about random commands (recorded/Record.java),
// decided again. MILLRACE_CONTROLLER_COMMANDS names another table.
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/controller/allocate_producer_ids.h"
#include "core/controller/alter_client_quotas.h"
#include "core/controller/alter_configs.h"
#include "core/controller/alter_partition.h"
#include "core/controller/alter_scram.h"
#include "core/controller/assign_directories.h"
#include "core/controller/controller_for_tests.h"
#include "core/controller/create_partitions.h"
#include "core/controller/delete_topics.h"
#include "core/controller/elect_leaders.h"
#include "core/controller/reassign_partitions.h"
#include "core/controller/update_features.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace::controller {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts(1);
    for (char c : text) {
        if (c == separator) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

std::string unhex(const std::string& text) {
    std::string bytes;
    if (text == "-") return bytes;
    for (std::size_t i = 0; i < text.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return bytes;
}

// One line of the table.
struct Recorded {
    std::string scenario;
    Time now;
    std::string command;
    std::string describable;  // CreateTopics: whose configs may be told
    std::int16_t version = 0;
    std::string request;
    ErrorCode error = ErrorCode::none;
    std::string message;
    std::string response;
    std::vector<std::string> records;

    static Recorded read(const std::string& line) {
        std::vector<std::string> fields = split(line, '\t');
        Recorded read;
        read.scenario = fields.at(0);
        read.now = Time() + Duration::milliseconds(std::stoll(fields.at(1)));
        std::vector<std::string> words = split(fields.at(2), ' ');
        read.command = words[0];
        if (words.size() > 1) read.describable = words[1];
        read.version = static_cast<std::int16_t>(std::stoi(fields.at(3)));
        read.request = unhex(fields.at(4));
        read.error = static_cast<ErrorCode>(std::stoi(fields.at(5)));
        read.message = fields.at(6);
        read.response = unhex(fields.at(7));
        if (fields.at(8) != "-") {
            for (const std::string& value : split(fields[8], ','))
                read.records.push_back(unhex(value));
        }
        return read;
    }
};

constexpr std::string_view unsaid = "the response has no place for it";

// What a decision came to, in a form in which both can be compared: ids of new topics, which are
// random, by their order; records of one kind that follow each other in any order.
struct Outcome {
    std::vector<std::string> records;
    std::string response;
    ErrorCode error = ErrorCode::none;
    std::string message = "-";
    std::vector<std::string> new_topics;

    void settle() {
        for (std::size_t i = 0; i < new_topics.size(); ++i) {
            std::string name = "(topic " + std::to_string(i) + ")";
            for (std::string& record : records) replace(record, new_topics[i], name);
            replace(response, new_topics[i], name);
        }
        auto type = [](const std::string& record) { return record[1]; };
        for (std::size_t at = 0; at < records.size();) {
            auto begin = records.begin() + static_cast<std::ptrdiff_t>(at);
            auto end = std::find_if(begin, records.end(),
                                    [&](const auto& r) { return type(r) != type(*begin); });
            std::sort(begin, end);
            // Apache's index of eligible leaders keeps partitions that a broker has left: a change
            // is then written twice.
            auto kept = std::unique(begin, end);
            at = static_cast<std::size_t>(kept - records.begin());
            records.erase(kept, end);
        }
    }
    void note_topic(const metadata::VersionedRecord& record) {
        const auto* topic = std::get_if<TopicRecord>(&record.message);
        if (topic == nullptr) return;
        std::string id(16, '\0');
        store_be(reinterpret_cast<std::uint8_t*>(id.data()), topic->topic_id.high);
        store_be(reinterpret_cast<std::uint8_t*>(id.data()) + 8, topic->topic_id.low);
        new_topics.push_back(id);
    }

  private:
    static void replace(std::string& text, const std::string& from, const std::string& to) {
        for (auto at = text.find(from); at != std::string::npos;
             at = text.find(from, at + to.size()))
            text.replace(at, from.size(), to);
    }
};

std::string printable(const std::string& bytes) {
    std::string text;
    for (unsigned char c : bytes)
        text +=
            c >= 32 && c < 127 ? std::string(1, static_cast<char>(c)) : fmt::format("\\{:02x}", c);
    return text;
}

// The sentences about a wrong value are our own: the code must be the same.
template <typename Response>
void forget_sentences(Response& response) {
    constexpr auto client_metrics = static_cast<std::int8_t>(config::ResourceType::client_metrics);
    auto forget = [](auto& answers) {
        for (auto& answer : answers) {
            bool of_value = answer.error_code == ErrorCode::invalid_config;
            if constexpr (requires { answer.resource_type; }) {
                of_value |= answer.error_code == ErrorCode::invalid_request &&
                            answer.resource_type == client_metrics;
            }
            if (of_value) answer.error_message = "...";
        }
    };
    if constexpr (requires { response.topics[0].error_message; }) {
        forget(response.topics);
        for (auto& topic : response.topics) topic.topic_id = {};  // random, and in the records, too
    }
    if constexpr (requires { response.responses[0].error_message; }) forget(response.responses);
}

template <typename Response>
std::string encode(Response response, std::int16_t version) {
    forget_sentences(response);
    Writer writer;
    EXPECT_TRUE(response.encode(writer, version));
    return std::string(std::move(writer).finish_in_memory().view());
}

class Office {
  public:
    // Decides again, then goes on from what Apache decided.
    void follow(const Recorded& recorded) {
        Outcome theirs{.records = recorded.records,
                       .response = recorded.response,
                       .error = recorded.error,
                       .message = recorded.message};
        metadata::Records records;
        for (const std::string& value : recorded.records) {
            records.push_back(*metadata::decode(as_bytes(value)));
            theirs.note_topic(records.back());
        }
        if (recorded.command == "start") {
            state_ = std::make_unique<State>(settings());
            sessions_ = Sessions(Duration::seconds(9));
        } else {
            Outcome ours = decide_again(recorded, theirs);
            ours.settle();
            theirs.settle();
            compare(ours, theirs);
        }
        Result<> applied = state_->apply(records, state_->next_offset(), 1);
        ASSERT_TRUE(applied.has_value()) << applied.error().message;
    }

  private:
    static Settings settings() {
        Settings settings = settings_for_tests("min.insync.replicas=2\n");
        settings.cluster_id = "recorded-cluster";
        settings.kraft_version = 1;
        return settings;
    }

    static void compare(const Outcome& ours, const Outcome& theirs) {
        EXPECT_EQ(ours.error, theirs.error);
        // Of several brokers that lack a feature Apache names any.
        auto nobody = [](std::string message) {
            auto at = message.find("Broker ");
            if (at != std::string::npos) message[at + 7] = 'N';
            return message;
        };
        if (ours.message != unsaid) EXPECT_EQ(nobody(ours.message), nobody(theirs.message));
        EXPECT_EQ(printable(ours.response), printable(theirs.response));
        EXPECT_EQ(ours.records.size(), theirs.records.size());
        for (std::size_t i = 0; i < std::min(ours.records.size(), theirs.records.size()); ++i)
            EXPECT_EQ(printable(ours.records[i]), printable(theirs.records[i]));
    }

    template <typename Command>
    static Command with_request(const Recorded& recorded) {
        Command command;
        using Request = decltype(command.request);
        Reader reader(as_bytes(recorded.request));
        command.request = *Request::decode(reader, recorded.version);
        return command;
    }

    template <typename Answer>
    static Outcome outcome(const Decision<Answer>& decision, std::int16_t version) {
        Outcome made;
        for (const metadata::VersionedRecord& record : decision.records) {
            Result<Slice> encoded = metadata::encode(record);
            EXPECT_TRUE(encoded.has_value()) << encoded.error().message;
            made.records.emplace_back(encoded->view());
            made.note_topic(record);
        }
        if constexpr (requires { decision.response.error_code; })
            made.error = decision.response.error_code;
        if (made.error != ErrorCode::none) {
            if constexpr (requires { decision.response.error_message; })
                made.message = decision.response.error_message.value_or("-");
            else
                made.message = unsaid;
            return made;
        }
        if constexpr (requires(Writer writer) { decision.response.encode(writer, version); }) {
            made.response = encode(decision.response, version);
        }
        return made;
    }

    // `theirs` loses what is not compared.
    template <typename Command>
    Outcome decide_with(const Recorded& recorded, const Command& command, Outcome& theirs) {
        auto decision = decide(command, *state_, {recorded.now, random_, sessions_});
        using Response = decltype(decision.response);
        if constexpr (requires(Reader in) { Response::decode(in, std::int16_t{0}); }) {
            Reader reader(as_bytes(theirs.response));
            if (!theirs.response.empty())
                theirs.response =
                    encode(*Response::decode(reader, recorded.version), recorded.version);
        }
        return outcome(decision, recorded.version);
    }

    // Apache names users in no order.
    Outcome again_by_user(const Recorded& recorded) {
        auto command = with_request<AlterScramCredentials>(recorded);
        auto decision = decide(command, *state_, {recorded.now, random_, sessions_});
        std::ranges::sort(
            decision.response.results, {},
            &AlterUserScramCredentialsResponse::AlterUserScramCredentialsResult::user);
        return outcome(decision, recorded.version);
    }

    Outcome decide_again(const Recorded& recorded, Outcome& theirs) {
        const std::string& name = recorded.command;
        auto again = [&]<typename Command>(Command) {
            return decide_with(recorded, with_request<Command>(recorded), theirs);
        };
        if (name == "BrokerRegistration") {
            auto command = with_request<RegisterBroker>(recorded);
            command.version = recorded.version;
            return decide_with(recorded, command, theirs);
        }
        if (name == "CreateTopics") {
            auto command = with_request<CreateTopics>(recorded);
            command.may_describe_configs = [&](std::string_view topic) {
                auto names = split(recorded.describable, ',');
                return std::ranges::find(names, topic) != names.end();
            };
            return decide_with(recorded, command, theirs);
        }
        if (name == "DeleteTopics") {
            auto command = with_request<DeleteTopics>(recorded);
            command.version = recorded.version;
            return decide_with(recorded, command, theirs);
        }
        if (name == "UpdateFeatures") {
            auto command = with_request<UpdateFeatures>(recorded);
            command.version = recorded.version;
            return decide_with(recorded, command, theirs);
        }
        if (name == "BrokerHeartbeat") return again(BrokerHeartbeat{});
        if (name == "FenceStaleBroker") return decide_with(recorded, FenceStaleBroker{}, theirs);
        if (name == "UnregisterBroker") return again(UnregisterBroker{});
        if (name == "CreatePartitions") return again(CreatePartitions{});
        if (name == "AlterPartition") return again(AlterPartition{});
        if (name == "AssignReplicasToDirs") return again(AssignDirectories{});
        if (name == "ElectLeaders") return again(ElectLeaders{});
        if (name == "BalanceLeaders") return decide_with(recorded, BalanceLeaders{}, theirs);
        if (name == "ElectUncleanLeaders") {
            return decide_with(recorded, ElectUncleanLeaders{}, theirs);
        }
        if (name == "AlterPartitionReassignments") return again(ReassignPartitions{});
        if (name == "ListPartitionReassignments") return again(ListReassignments{});
        if (name == "IncrementalAlterConfigs") return again(IncrementalAlterConfigs{});
        if (name == "AlterConfigs") return again(AlterConfigs{});
        if (name == "AllocateProducerIds") return again(AllocateProducerIds{});
        if (name == "AlterClientQuotas") return again(AlterClientQuotas{});
        if (name == "AlterUserScramCredentials") return again_by_user(recorded);
        ADD_FAILURE() << "no such command: " << name;
        return {};
    }

    std::unique_ptr<State> state_;
    Sessions sessions_{Duration::seconds(9)};
    Random random_{1};
};

// Returns how many commands the table holds.
int decide_again(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    Office office;
    int number = 0;
    int failures = 0;
    while (std::getline(file, line) && failures < 20) {
        ++number;
        Recorded recorded = Recorded::read(line);
        SCOPED_TRACE(fmt::format("line {}: {}", number, recorded.command));
        int before =
            testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
        office.follow(recorded);
        int after =
            testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
        failures += after > before ? 1 : 0;
    }
    return number;
}

constexpr std::string_view recorded_folder = MILLRACE_SOURCE_DIR "/src/core/controller/recorded/";

TEST(Apache, DecidesAsWeDo) {
    const char* other = std::getenv("MILLRACE_CONTROLLER_COMMANDS");
    std::string own = std::string(recorded_folder) + "commands.tsv";
    EXPECT_GT(decide_again(other != nullptr ? other : own), 1'000);
}

TEST(Apache, DecidesOfQuotasAndCredentialsAsWeDo) {
    EXPECT_GT(decide_again(std::string(recorded_folder) + "security.tsv"), 400);
}

}  // namespace
}  // namespace millrace::controller
