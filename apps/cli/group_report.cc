#include "cli/group_report.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <map>

#include "cli/output.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr std::size_t least = 15;

std::size_t widest(std::size_t minimum, std::string_view text) {
    return std::max(minimum, width_of(text));
}

json::array partitions_json(std::vector<client::TopicPartition> partitions) {
    std::ranges::sort(partitions);
    json::array out;
    for (const auto& one : partitions) {
        out.push_back(json::object{{"topic", one.topic}, {"partition", one.partition}});
    }
    return out;
}

}  // namespace

void print_row(std::span<const std::string> cells, std::span<const std::size_t> widths,
               Output& output) {
    output.write("\n");
    for (std::size_t i = 0; i < cells.size(); ++i) {
        if (i > 0) output.write(" ");
        output.write(i + 1 < cells.size() ? padded(cells[i], widths[i]) : cells[i]);
    }
}

void print_offsets(std::string_view group, std::span<const OffsetRow> rows, bool verbose,
                   Output& output) {
    std::size_t topic_width = least;
    std::size_t consumer_width = least;
    std::size_t host_width = least;
    for (const OffsetRow& row : rows) {
        topic_width = widest(topic_width, row.partition ? row.partition->topic : "-");
        consumer_width = widest(consumer_width, row.consumer_id);
        host_width = widest(host_width, row.host);
    }
    std::vector<std::size_t> widths{rows.empty() ? least : widest(least, group), topic_width, 10};
    if (verbose) widths.push_back(15);
    widths.insert(widths.end(), {15, 15, 15, consumer_width, host_width, 0});

    std::vector<std::string> cells{"GROUP", "TOPIC", "PARTITION"};
    if (verbose) cells.emplace_back("LEADER-EPOCH");
    cells.insert(cells.end(),
                 {"CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"});
    print_row(cells, widths, output);
    for (const OffsetRow& row : rows) {
        cells = {std::string(group), row.partition ? row.partition->topic : "-",
                 row.partition ? std::to_string(row.partition->partition) : "-"};
        if (verbose) cells.push_back(or_dash(row.leader_epoch));
        cells.insert(cells.end(), {or_dash(row.offset), or_dash(row.end_offset), or_dash(row.lag()),
                                   row.consumer_id, row.host, row.client_id});
        print_row(cells, widths, output);
    }
    output.write("\n");
}

json::value to_json(const OffsetRow& row) {
    auto text_or_null = [](const std::string& text) {
        return text == "-" ? json::value(nullptr) : json::value(text);
    };
    return json::object{
        {"topic", row.partition ? json::value(row.partition->topic) : json::value(nullptr)},
        {"partition", row.partition ? json::value(row.partition->partition) : json::value(nullptr)},
        {"leader_epoch", or_null(row.leader_epoch)},
        {"current_offset", or_null(row.offset)},
        {"log_end_offset", or_null(row.end_offset)},
        {"lag", or_null(row.lag())},
        {"consumer_id", text_or_null(row.consumer_id)},
        {"host", text_or_null(row.host)},
        {"client_id", text_or_null(row.client_id)}};
}

std::string assignment_text(std::vector<client::TopicPartition> partitions) {
    if (partitions.empty()) return "-";
    std::ranges::sort(partitions);
    std::string out;
    const std::string* topic = nullptr;
    for (const auto& one : partitions) {
        if (topic != nullptr && *topic == one.topic) {
            out += fmt::format(",{}", one.partition);
            continue;
        }
        if (topic != nullptr) out += ';';
        out += fmt::format("{}:{}", one.topic, one.partition);
        topic = &one.topic;
    }
    return out;
}

void print_members(std::string_view group, std::span<const MemberRow> rows, bool verbose,
                   Output& output) {
    bool with_instance = false;
    bool classic = false;
    bool upgraded = false;
    std::vector<std::vector<std::string>> lines;
    std::vector<std::string> header{"GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS"};
    std::vector<std::size_t> widths{rows.empty() ? least : widest(least, group), least, least,
                                    least, least};
    std::size_t instance_width = 17;
    std::size_t current_width = 20;
    std::size_t target_width = 20;
    for (const MemberRow& row : rows) {
        with_instance = with_instance || !row.instance_id.empty();
        classic = classic || row.upgraded == false;
        upgraded = upgraded || row.upgraded == true;
        widths[1] = widest(widths[1], row.consumer_id);
        widths[2] = widest(widths[2], row.host);
        widths[3] = widest(widths[3], row.client_id);
        instance_width = widest(instance_width, row.instance_id);
        current_width = widest(current_width, assignment_text(row.assignment));
        target_width = widest(target_width, assignment_text(row.target));
    }
    auto print_line = [&](std::vector<std::string> cells, std::string instance,
                          std::vector<std::string> more) {
        std::vector<std::size_t> line_widths = widths;
        if (with_instance) {
            cells.insert(cells.begin() + 2, std::move(instance));
            line_widths.insert(line_widths.begin() + 2, instance_width);
        }
        for (std::size_t i = 0; i < cells.size(); ++i) {
            output.write(padded(cells[i], line_widths[i]));
            output.write(" ");
        }
        if (verbose) {
            const std::size_t more_widths[] = {15, current_width, 15, target_width};
            for (std::size_t i = 0; i < 4; ++i) {
                if (i > 0) output.write(" ");
                output.write(padded(more[i], more_widths[i]));
            }
            if (classic && upgraded) output.print(" {}", more[4]);
        }
        output.write("\n");
    };
    output.write("\n");
    print_line(
        header, "GROUP-INSTANCE-ID",
        {"CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT", "UPGRADED"});
    for (const MemberRow& row : rows) {
        print_line({std::string(group), row.consumer_id, row.host, row.client_id,
                    std::to_string(row.assignment.size())},
                   row.instance_id,
                   {or_dash(row.epoch), assignment_text(row.assignment), or_dash(row.target_epoch),
                    assignment_text(row.target), or_dash(row.upgraded)});
    }
}

json::value to_json(const MemberRow& row) {
    return json::object{{"consumer_id", row.consumer_id},
                        {"instance_id", row.instance_id.empty() ? json::value(nullptr)
                                                                : json::value(row.instance_id)},
                        {"host", row.host},
                        {"client_id", row.client_id},
                        {"epoch", or_null(row.epoch)},
                        {"target_epoch", or_null(row.target_epoch)},
                        {"assignment", partitions_json(row.assignment)},
                        {"target_assignment", partitions_json(row.target)}};
}

void print_state(const StateRow& row, bool verbose, Output& output) {
    std::vector<std::size_t> widths{widest(least, row.group), widest(25, row.coordinator), 20, 20};
    std::vector<std::string> header{"GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE"};
    std::vector<std::string> cells{row.group, row.coordinator,
                                   row.assignor.empty() ? "-" : row.assignor, row.state};
    if (verbose) {
        widths.insert(widths.end(), {15, 25});
        header.insert(header.end(), {"GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"});
        cells.insert(cells.end(), {or_dash(row.epoch), or_dash(row.target_epoch)});
    }
    widths.push_back(0);
    header.emplace_back("#MEMBERS");
    cells.push_back(std::to_string(row.members));
    print_row(header, widths, output);
    print_row(cells, widths, output);
    output.write("\n");
}

void print_reset(std::span<const ResetRow> rows, bool any_group, Output& output) {
    std::vector<std::size_t> widths{least, least, 10, 0};
    for (const ResetRow& row : rows) {
        widths[0] = widest(widths[0], row.group);
        widths[1] = widest(widths[1], row.partition.topic);
    }
    if (any_group) {
        print_row(std::vector<std::string>{"GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"}, widths,
                  output);
    }
    for (const ResetRow& row : rows) {
        print_row(std::vector<std::string>{row.group, row.partition.topic,
                                           std::to_string(row.partition.partition),
                                           std::to_string(row.offset)},
                  widths, output);
    }
    output.write("\n");
}

void print_reset_json(std::span<const ResetRow> rows, bool executed, Output& output) {
    json::array documents;
    for (const ResetRow& row : rows) {
        documents.push_back(json::object{{"group", row.group},
                                         {"topic", row.partition.topic},
                                         {"partition", row.partition.partition},
                                         {"new_offset", row.offset}});
    }
    output.json(json::object{{"executed", executed}, {"offsets", std::move(documents)}});
}

void print_reset_csv(std::span<const ResetRow> rows, bool with_group, Output& output) {
    // Topics need no quotes; a group's name may.
    auto quoted = [](const std::string& text) {
        if (text.find_first_of(",\"\n\r ") == std::string::npos) return text;
        std::string out = "\"";
        for (char c : text) {
            if (c == '"') out += '"';
            out += c;
        }
        return out + '"';
    };
    for (const ResetRow& row : rows) {
        if (with_group) output.print("{},", quoted(row.group));
        output.line("{},{},{}", row.partition.topic, row.partition.partition, row.offset);
    }
    output.write("\n");
}

}  // namespace millrace::cli
