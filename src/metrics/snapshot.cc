#include "metrics/snapshot.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <functional>
#include <iterator>
#include <string_view>

namespace millrace::metrics {
namespace {

void append_escaped(std::string& out, std::string_view text) {
    for (char c : text) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
}

std::string label_text(const Declaration& declaration, const std::vector<std::string>& values) {
    std::string out;
    auto append = [&](std::string_view label, std::string_view value) {
        out += out.empty() ? "{" : ",";
        out += label;
        out += "=\"";
        append_escaped(out, value);
        out += '"';
    };
    if (!declaration.name.empty()) append("name", declaration.name);
    for (std::size_t i = 0; i < values.size(); ++i) {
        bool left_out = i >= declaration.required_labels && values[i].empty();
        if (!left_out) append(declaration.labels[i], values[i]);
    }
    if (!out.empty()) out += '}';
    return out;
}

std::string number_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    if (value == std::floor(value) && std::abs(value) < 1e15) {
        return fmt::format("{}", static_cast<std::int64_t>(value));
    }
    return fmt::format("{}", value);
}

// The samples of one name: all have to stand together under one TYPE.
struct Family {
    std::string_view type;
    std::string help;
    std::string samples;
};

constexpr struct {
    std::string_view attribute;
    double fraction;
} percentiles[] = {{"50thPercentile", 0.5},  {"75thPercentile", 0.75}, {"95thPercentile", 0.95},
                   {"98thPercentile", 0.98}, {"99thPercentile", 0.99}, {"999thPercentile", 0.999}};

}  // namespace

Snapshot::Figures& Snapshot::at(const Declaration& declaration,
                                const std::vector<std::string>& labels) {
    Figures& figures =
        figures_[{{std::string(declaration.family), std::string(declaration.name)}, labels}];
    figures.declaration = &declaration;
    return figures;
}

void Snapshot::add_value(const Declaration& declaration, const std::vector<std::string>& labels,
                         double value) {
    at(declaration, labels).value += value;
}

void Snapshot::add_average(const Declaration& declaration, const std::vector<std::string>& labels,
                           const Average& average) {
    Average& sum = at(declaration, labels).average;
    sum.sum += average.sum;
    sum.count += average.count;
}

void Snapshot::add_maximum(const Declaration& declaration, const std::vector<std::string>& labels,
                           std::optional<double> maximum) {
    std::optional<double>& most = at(declaration, labels).maximum;
    if (maximum) most = std::max(most.value_or(*maximum), *maximum);
}

void Snapshot::add_rates(const Declaration& declaration, const std::vector<std::string>& labels,
                         const Rates& rates) {
    Rates& sum = at(declaration, labels).rates;
    sum.count += rates.count;
    sum.mean += rates.mean;
    sum.one_minute += rates.one_minute;
    sum.five_minutes += rates.five_minutes;
    sum.fifteen_minutes += rates.fifteen_minutes;
}

void Snapshot::add_histogram(const Declaration& declaration, const std::vector<std::string>& labels,
                             const Histogram& histogram) {
    at(declaration, labels).histogram.merge(histogram);
}

void Snapshot::merge(const Snapshot& other) {
    for (const auto& [key, figures] : other.figures_) {
        add_value(*figures.declaration, key.second, figures.value);
        add_average(*figures.declaration, key.second, figures.average);
        add_maximum(*figures.declaration, key.second, figures.maximum);
        add_rates(*figures.declaration, key.second, figures.rates);
        add_histogram(*figures.declaration, key.second, figures.histogram);
    }
}

std::string Snapshot::text() const {
    std::map<std::string, Family, std::less<>> families;
    for (const auto& [key, figures] : figures_) {
        const Declaration& declaration = *figures.declaration;
        std::string labels = label_text(declaration, key.second);
        auto sample = [&](std::string_view attribute, double value) {
            std::string name(declaration.family);
            if (!declaration.whole_name) fmt::format_to(std::back_inserter(name), "_{}", attribute);
            Family& family = families[name];
            bool counts = declaration.kind == Kind::counter || attribute == "Count";
            family.type = counts ? "counter" : "gauge";
            if (declaration.whole_name) {
                family.help = declaration.documentation;
            } else {
                family.help = fmt::format("{} of each {}", attribute, declaration.family);
            }
            fmt::format_to(std::back_inserter(family.samples), "{}{} {}\n", name, labels,
                           number_text(value));
        };
        Kind kind = declaration.kind;
        if (kind == Kind::counter || kind == Kind::gauge) sample("Value", figures.value);
        if (kind == Kind::average) {
            sample("Value", figures.average.sum / static_cast<double>(figures.average.count));
        }
        if (kind == Kind::maximum) sample("Value", figures.maximum.value_or(std::nan("")));
        if (kind == Kind::meter || kind == Kind::timer) {
            sample("Count", static_cast<double>(figures.rates.count));
            sample("MeanRate", figures.rates.mean);
            sample("OneMinuteRate", figures.rates.one_minute);
            sample("FiveMinuteRate", figures.rates.five_minutes);
            sample("FifteenMinuteRate", figures.rates.fifteen_minutes);
        }
        if (kind == Kind::histogram || kind == Kind::timer) {
            const Histogram& histogram = figures.histogram;
            if (kind == Kind::histogram) sample("Count", static_cast<double>(histogram.count()));
            sample("Min", histogram.min());
            sample("Max", histogram.max());
            sample("Mean", histogram.mean());
            sample("StdDev", histogram.standard_deviation());
            for (const auto& [attribute, fraction] : percentiles) {
                sample(attribute, histogram.percentile(fraction));
            }
        }
    }
    std::string out;
    for (const auto& [name, family] : families) {
        if (!family.help.empty()) {
            fmt::format_to(std::back_inserter(out), "# HELP {} {}\n", name, family.help);
        }
        fmt::format_to(std::back_inserter(out), "# TYPE {} {}\n{}", name, family.type,
                       family.samples);
    }
    return out;
}

}  // namespace millrace::metrics
