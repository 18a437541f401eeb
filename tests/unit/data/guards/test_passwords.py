"""Passwords: in prose, settings, commands and URLs; and what is only said about one."""

from __future__ import annotations

import pytest

from argotune.data.guards.masking import mask
from argotune.tenants.masking_rules import MaskingRules

RULES = MaskingRules(kinds=["password"])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("sign in as ann with password 'Gr8Harbour#'", "sign in as ann with password '<PASSWORD>'"),
        ('the password "Spring2031!" is old', 'the password "<PASSWORD>" is old'),
        ("CREATE USER shop WITH PASSWORD 'bluewhale';", "CREATE USER shop WITH PASSWORD '<PASSWORD>';"),
        ("ALTER USER shop IDENTIFIED BY 'blue#whale'", "ALTER USER shop IDENTIFIED BY '<PASSWORD>'"),
        ("the password for the shared drive is harbour2031.", "the password for the shared drive is <PASSWORD>."),
        ("my password is harbour7 and my cat is Tom", "my password is <PASSWORD> and my cat is Tom"),
        ("I changed my password to h4rb0ur$", "I changed my password to <PASSWORD>"),
        ("Gr8Harbour# is my password", "<PASSWORD> is my password"),
        ("log in with user **ann** and the password **bluewhale**", None),
        ("use `ann` and password `bluewhale`", "use `ann` and password `<PASSWORD>`"),
        ("login: admin password: admin", "login: admin password: <PASSWORD>"),
        ("username: ann\npassword: bluewhale", "username: ann\npassword: <PASSWORD>"),
        ("the user is ann and the password is bluewhale", "the user is ann and the password is <PASSWORD>"),
        ("login with ann / Gr8Harbour#", "login with ann / <PASSWORD>"),
        ("my PIN is 4417", "my PIN is <PASSWORD>"),
        ("your OTP is 441792", "your OTP is <PASSWORD>"),
        ("her password, Gr8Harbour#, was leaked", "her password, <PASSWORD>, was leaked"),
        (
            "it was changed from the password h4rb0ur# to s3aside#",
            "it was changed from the password <PASSWORD> to <PASSWORD>",
        ),
        ("the password I use is Gr8Harbour", "the password I use is <PASSWORD>"),
        ("the password has been set to Gr8Harbour", "the password has been set to <PASSWORD>"),
        ("with Gr8Harbour# as password", "with <PASSWORD> as password"),
        ("use 'bluewhale' as the password", "use '<PASSWORD>' as the password"),
        ("a default password of 'bluewhale'", "a default password of '<PASSWORD>'"),
        ("ann@example.com / Gr8Harbour#", "ann@example.com / <PASSWORD>"),
        ("email ann@example.com password bluewhale", "email ann@example.com password <PASSWORD>"),
        ("| ann | password | Gr8Harbour# |", "| ann | password | <PASSWORD> |"),
        ("Das Passwort lautet „bluewhale“.", "Das Passwort lautet „<PASSWORD>“."),
        ("la contraseña de la cuenta es harbour7", "la contraseña de la cuenta es <PASSWORD>"),
        ("비밀번호는 harbour7#", "비밀번호는 <PASSWORD>"),
        ("<dbPassword>blue_whale</dbPassword>", "<dbPassword><PASSWORD></dbPassword>"),
        ('{"name": "DB_PASSWORD", "value": "blue_whale7"}', '{"name": "DB_PASSWORD", "value": "<PASSWORD>"}'),
        ('put("db.password", "Gr8Harbour#")', 'put("db.password", "<PASSWORD>")'),
        ('String password        = "bluewhale";', 'String password        = "<PASSWORD>";'),
        ("$ app --password bluewhale7X", "$ app --password <PASSWORD>"),
        ("mysql -u root -pGr8Harbour shop", "mysql -u root -p<PASSWORD> shop"),
        ("curl -u ann:Gr8Harbour https://example.com", "curl -u <PASSWORD> https://example.com"),
        ("DB_PASSWORD=bluewhale", "DB_PASSWORD=<PASSWORD>"),
        ("password=Gr8Harbour&next=/", "password=<PASSWORD>&next=/"),
        ("pw: Gr8Harbour#1, again Gr8Harbour#1", "pw: <PASSWORD>, again <PASSWORD>"),
    ],
)
def test_a_password_is_found_wherever_it_is_told(text: str, masked: str | None):
    expected = masked or text.replace("bluewhale", "<PASSWORD>")
    assert mask(text, RULES).text == expected


@pytest.mark.parametrize(
    "text",
    [
        *("self.password = password", "login(user=user, password=password)", "password = getpass()"),
        *("password = os.environ['DB_PASSWORD']", "const password = process.env.PASSWORD;", "password: ${DB_PASSWORD}"),
        *("password: str = Field(min_length=8)", "password: z.string().min(8)", "if password == confirmed:"),
        *("password = request.form['password']", "PASSWORD=<your password>", "password: ********", "--password $PASS"),
        *("postgres://{user}:{password}@{host}/db", "https://$USER:$PASS@example.com", "password_field = 'user_pwd1'"),
        *("password is required", "Password must be 12 characters", "the password is 12 characters long"),
        *(
            "La contraseña es obligatoria",
            "Le mot de passe est trop faible",
            "the password for the next level is in a file",
        ),
        *("reset your password to continue", "the password is stored in /etc/app", "add DB_PASSWORD to ~/.env"),
        *(
            '["username", "password", "email"]',
            "passwordless login: v2alpha",
            "tests pass in 3.11",
            "the season pass is here",
        ),
        *("pass `dry_run=True` to `solve2`", "pins `shop-1` to the top", "we spin 4417 times", "pass: 12 fail: 3"),
        *(
            "login: admin password: from the vault",
            "PASSWORDLESS: v2alpha",
            "your password manager is 1Password",
            "the password policy of NIST is 800-63b",
            "git@github.com:Org/Repo2",
            "password, user@Host12, @Decorator1",
            "the login page of #Shop2031",
            "OTP required",
            "username=a[0], password=a[1]",
            "User / Password: see `.env`",
            "type=password name=password id=pass1",
        ),
    ],
)
def test_what_is_said_about_passwords_stays(text: str):
    assert mask(text, RULES).text == text
