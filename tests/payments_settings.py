"""Settings of a site that sells through Creem, for tests: no key here opens anything."""

CREEM = {
    "PAYMENTS": "creem",
    "CREEM_API_KEY": "creem_test_not_a_key",
    "CREEM_WEBHOOK_SECRET": "whsec_not_a_secret",
    "CREEM_PRODUCT_STARTER": "prod_starter",
    "CREEM_PRODUCT_STANDARD": "prod_standard",
    "CREEM_PRODUCT_PREMIUM": "prod_premium",
}
"""Add CREEM_API_BASE_URL of a simulator, and CREEM_PAYMENT_LINK_… for the second road."""
