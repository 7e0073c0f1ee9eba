#include "tls/principal_rules.h"

#include <gtest/gtest.h>

namespace millrace::tls {
namespace {

constexpr std::string_view dn = "CN=Duke,OU=ServiceUsers,O=Org,C=US";

std::string name(std::string_view rules, std::string_view of = dn) {
    auto parsed = PrincipalRules::parse(rules);
    if (!parsed) return "error: " + parsed.error().message;
    return parsed->name(of).value_or("none");
}

// What Kafka 4.3.1's SslPrincipalMapper makes of these (recorded with it).
TEST(PrincipalRules, MapAsKafkaDoes) {
    EXPECT_EQ(name("DEFAULT"), dn);
    EXPECT_EQ(name("RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/"), "Duke");
    EXPECT_EQ(name("RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L"), "duke");
    EXPECT_EQ(name("RULE:^CN=(.*?), *OU=(.*?),.*$/$1@$2/U"), "DUKE@SERVICEUSERS");
    EXPECT_EQ(name("RULE:^CN=(.*?),OU=Admins.*$/$1/"), "none");
    EXPECT_EQ(name("RULE:^CN=(.*?),OU=Admins.*$/$1/ , DEFAULT"), dn);
    EXPECT_EQ(name("RULE:^CN=(.*?),.*$/$1@$2/"), "Duke@$2");
    EXPECT_EQ(name("RULE:^CN=(.*?),.*$/$12/"), "Duke2");
    EXPECT_EQ(name("RULE:^CN=(.*?),.*$/\\$1/"), "$1");
    EXPECT_EQ(name("RULE:^CN=(.*?),OU=(.*?),O=(.*?),C=(.*?)$/$4\\/$1/"), "US/Duke");
    EXPECT_EQ(name("RULE:.*/x/"), "xx");
    EXPECT_EQ(name("RULE:^.*$/x/"), "x");
    EXPECT_EQ(name("RULE:CN=(.*?)/$1-/"), "-Duke,OU=ServiceUsers,O=Org,C=US");
    EXPECT_EQ(name("RULE:CN=\\w+,.*/a,b/,DEFAULT"), "a,b");
    EXPECT_EQ(name(", ,DEFAULT"), dn);
    EXPECT_EQ(name(""), "none");
}

TEST(PrincipalRules, WhatIsNoRuleIsRefused) {
    EXPECT_TRUE(name("CN=x").starts_with("error: ssl.principal.mapping.rules: 'CN=x': a rule is"));
    EXPECT_TRUE(name("RULE:^CN=(.*?)$/$1").starts_with("error: "));
    EXPECT_TRUE(name("RULE:a/b/ RULE:c/d/").starts_with("error: "));
    EXPECT_TRUE(name("DEFAULTS").starts_with("error: "));
    EXPECT_TRUE(name("RULE:^CN=(.*)$/$1/LU").starts_with("error: "));
    EXPECT_TRUE(name("RULE:^CN=(.*)$/$1/L,x").starts_with("error: "));
    EXPECT_TRUE(name("RULE:CN=(?=x)/b/")
                    .starts_with("error: ssl.principal.mapping.rules: 'CN=(?=x)': this is no "
                                 "pattern that RE2 takes"));
}

}  // namespace
}  // namespace millrace::tls
