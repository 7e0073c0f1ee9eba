#include "cli/reset_plan.h"

#include <fmt/core.h>
#include <vector>

#include "cli/arguments.h"
#include "config/text.h"

namespace millrace::cli {

namespace {

// Cells between commas; one in quotes may hold commas, and quotes twice.
std::vector<std::string> cells_of(std::string_view line) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"') {
            bool twice = quoted && i + 1 < line.size() && line[i + 1] == '"';
            if (twice) {
                cells.back() += line[i++];
            } else {
                quoted = !quoted;
            }
        } else if (line[i] == ',' && !quoted) {
            cells.emplace_back();
        } else {
            cells.back() += line[i];
        }
    }
    return cells;
}

}  // namespace

Result<ResetPlan> parse_reset_plan(std::string_view path, std::string_view text,
                                   std::string_view group) {
    ResetPlan plan;
    int number = 0;
    for (std::string_view line : split(text, '\n')) {
        ++number;
        line = config::trim(line);
        if (line.empty()) continue;
        std::vector<std::string> cells = cells_of(line);
        std::string of_group(group);
        if (cells.size() == 4) {
            of_group = cells.front();
            cells.erase(cells.begin());
        }
        auto partition = cells.size() == 3 ? parse_int32(config::trim(cells[1])) : std::nullopt;
        auto offset = cells.size() == 3 ? parse_number(config::trim(cells[2])) : std::nullopt;
        if (!partition || !offset || of_group.empty()) {
            return misuse(fmt::format("{}:{}: '{}' is not {}TOPIC,PARTITION,OFFSET", path, number,
                                      line, group.empty() ? "GROUP," : ""));
        }
        plan[of_group][{cells[0], *partition}] = *offset;
    }
    return plan;
}

}  // namespace millrace::cli
