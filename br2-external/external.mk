include $(sort $(wildcard $(BR2_EXTERNAL_FANLIGHT_PATH)/package/*/*.mk))
