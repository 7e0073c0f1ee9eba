#include "cli/share_group_report.h"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "cli/group_report.h"
#include "cli/output.h"

namespace millrace::cli {

namespace {

constexpr std::size_t least = 15;

std::size_t widest(std::size_t minimum, std::string_view text) {
    return std::max(minimum, width_of(text));
}

}  // namespace

void print_share_offsets(std::string_view group, const ShareOffsets& offsets, bool verbose,
                         Output& output) {
    if (offsets.empty()) {
        output.line("\nShare group '{}' has no offset information.", group);
        return;
    }
    std::size_t topic_width = least;
    for (const auto& [partition, offset] : offsets)
        topic_width = widest(topic_width, partition.topic);
    std::vector<std::size_t> widths{widest(least, group), topic_width, 10};
    if (verbose) widths.push_back(13);
    widths.insert(widths.end(), {13, 0});
    std::vector<std::string> cells{"GROUP", "TOPIC", "PARTITION"};
    if (verbose) cells.emplace_back("LEADER-EPOCH");
    cells.insert(cells.end(), {"START-OFFSET", "LAG"});
    print_row(cells, widths, output);
    for (const auto& [partition, offset] : offsets) {
        bool epoch_known = offset && offset->leader_epoch >= 0;
        bool lag_known = offset && offset->lag;
        cells = {std::string(group), partition.topic, std::to_string(partition.partition)};
        if (verbose) cells.push_back(epoch_known ? std::to_string(offset->leader_epoch) : "-");
        cells.push_back(offset ? std::to_string(offset->start) : "-");
        cells.push_back(lag_known ? std::to_string(*offset->lag) : "-");
        print_row(cells, widths, output);
    }
    output.write("\n");
}

void print_share_members(const client::ShareGroupDescription& group, bool verbose, Output& output) {
    std::vector<std::size_t> widths{widest(least, group.id), least, least, least, 12};
    for (const auto& member : group.members) {
        widths[1] = widest(widths[1], member.id);
        widths[2] = widest(widths[2], member.host);
        widths[3] = widest(widths[3], member.client_id);
    }
    if (verbose) widths.push_back(13);
    widths.push_back(0);
    std::vector<std::string> cells{"GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS"};
    if (verbose) cells.emplace_back("MEMBER-EPOCH");
    cells.emplace_back("ASSIGNMENT");
    print_row(cells, widths, output);
    for (const auto& member : group.members) {
        cells = {group.id, member.id, member.host, member.client_id,
                 std::to_string(member.assignment.size())};
        if (verbose) cells.push_back(std::to_string(member.epoch));
        cells.push_back(member.assignment.empty() ? "" : assignment_text(member.assignment));
        print_row(cells, widths, output);
    }
    output.write("\n");
}

void print_share_state(const client::ShareGroupDescription& group, const std::string& coordinator,
                       bool verbose, Output& output) {
    std::vector<std::size_t> widths{widest(least, group.id), widest(25, coordinator), 15};
    std::vector<std::string> header{"GROUP", "COORDINATOR (ID)", "STATE"};
    std::vector<std::string> cells{group.id, coordinator, group.state};
    if (verbose) {
        widths.insert(widths.end(), {12, 17});
        header.insert(header.end(), {"GROUP-EPOCH", "ASSIGNMENT-EPOCH"});
        cells.insert(cells.end(),
                     {std::to_string(group.epoch), std::to_string(group.assignment_epoch)});
    }
    widths.push_back(0);
    header.emplace_back("#MEMBERS");
    cells.push_back(std::to_string(group.members.size()));
    print_row(header, widths, output);
    print_row(cells, widths, output);
    output.write("\n");
}

}  // namespace millrace::cli
